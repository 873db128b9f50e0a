//! The layers of a broker's settings, and what comes out of them.
//!
//! From strongest to weakest: set online for this broker, set online for every broker, given at
//! the start (file, then flags over it), default. A topic's own settings lie above all of them.

use std::borrow::Cow;

use super::{BrokerConfig, Fallback, Invalid, Overrides, Property, TopicConfig, broker, file};

/// Where a value comes from, with Kafka's number in a DescribeConfigs answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Topic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
    Group = 8,
}

/// What was set for one broker, layer by layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerSettings {
    /// Online, for this broker.
    pub broker: Overrides,
    /// Online, for every broker.
    pub cluster: Overrides,
    /// By file and flags.
    pub fixed: Overrides,
}

impl BrokerSettings {
    /// What a broker starts with: the text of `ringmain.toml`, if there is one, under `key=value`
    /// flags. Checked: each setting, and all together.
    pub fn load(file: Option<&str>, flags: &[String]) -> Result<BrokerSettings, Invalid> {
        let mut fixed = file.map_or(Ok(Overrides::new()), file::parse)?;
        for flag in flags {
            let (key, value) = flag
                .split_once('=')
                .ok_or_else(|| Invalid::Syntax(format!("{flag}: expected key=value")))?;
            fixed.insert(key.trim().to_owned(), value.trim().to_owned());
        }
        let settings = BrokerSettings { fixed, ..BrokerSettings::default() };
        settings.validate()?;
        Ok(settings)
    }

    /// Checks each setting of each layer, and what comes out of them together.
    pub fn validate(&self) -> Result<(), Invalid> {
        for (_, layer) in self.layers() {
            broker::TABLE.validate_all(layer)?;
        }
        BrokerConfig::resolve(self).validate_together()?;
        TopicConfig::validate(&Overrides::new(), self)
    }

    pub(super) fn layers(&self) -> [(Source, &Overrides); 3] {
        [
            (Source::DynamicBroker, &self.broker),
            (Source::DynamicDefaultBroker, &self.cluster),
            (Source::StaticBroker, &self.fixed),
        ]
    }

    /// The layers which set this broker setting, strongest first. A value that a newer version of
    /// the broker no longer accepts counts as not set.
    pub(super) fn set<'a>(
        &'a self,
        property: &Property,
    ) -> impl Iterator<Item = (Source, &'a str)> {
        self.layers().into_iter().filter_map(|(source, layer)| {
            let value = layer.get(property.name)?;
            property.kind.accepts(value).then_some((source, value.as_str()))
        })
    }

    /// What holds for a broker setting; `None` when it is not set and has no default.
    pub fn value<'a>(&'a self, property: &'a Property) -> Option<Cow<'a, str>> {
        match self.set(property).next() {
            Some((_, value)) => Some(Cow::Borrowed(value)),
            None => property.default.as_deref().map(Cow::Borrowed),
        }
    }

    /// What holds for a setting of a topic with these settings of its own.
    pub fn topic_value<'a>(
        &'a self,
        property: &'a Property,
        overrides: &'a Overrides,
    ) -> Option<Cow<'a, str>> {
        if let Some(value) = overrides.get(property.name)
            && property.kind.accepts(value)
        {
            return Some(Cow::Borrowed(value));
        }
        for fallback in property.fallbacks {
            if let Some((_, value)) = self.set(fallback_property(fallback)).next() {
                return Some(in_unit_of_topic(value, fallback.unit));
            }
        }
        property.default.as_deref().map(Cow::Borrowed)
    }
}

pub(super) fn fallback_property(fallback: &Fallback) -> &'static Property {
    broker::TABLE.get(fallback.name).expect("every fallback is a broker setting")
}

/// Hours or minutes become milliseconds; any negative number is "no limit".
pub(super) fn in_unit_of_topic(value: &str, unit: i64) -> Cow<'_, str> {
    if unit == 1 {
        return Cow::Borrowed(value);
    }
    let number: i64 = value.trim().parse().expect("a setting with a unit is a number");
    Cow::Owned(if number < 0 { -1 } else { number.saturating_mul(unit) }.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DurabilityLevel;

    fn overrides(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn defaults_are_kafkas() {
        let config = TopicConfig::default();
        assert_eq!(config.retention_ms, 7 * 24 * 3_600_000);
        assert_eq!(config.segment_ms, 7 * 24 * 3_600_000);
        assert_eq!(config.segment_bytes, 1 << 30);
        assert_eq!(config.max_message_bytes, (1 << 20) + 12);
        assert_eq!(config.flush_ms, i64::MAX);
        assert!(config.cleanup_policy.delete && !config.cleanup_policy.compact);
        assert_eq!(config.durability, DurabilityLevel::Synced);
        let broker = BrokerConfig::default();
        assert_eq!(broker.fetch_max_bytes, 55 << 20);
        assert_eq!(broker.socket_request_max_bytes, 100 << 20);
    }

    #[test]
    fn retention_takes_the_finest_unit_set_wherever_it_is_set() {
        let check = |broker: &[(&str, &str)], cluster: &[(&str, &str)], fixed, own, expect| {
            let settings = BrokerSettings {
                broker: overrides(broker),
                cluster: overrides(cluster),
                fixed: overrides(fixed),
            };
            let config = TopicConfig::resolve(&overrides(own), &settings);
            assert_eq!(config.retention_ms, expect);
        };
        let week = 604_800_000;
        check(&[], &[], &[], &[], week);
        check(&[], &[], &[("log.retention.hours", "2")], &[], 7_200_000);
        check(&[], &[], &[("log.retention.hours", "-1")], &[], -1);
        let finer = &[("log.retention.hours", "2"), ("log.retention.minutes", "3")];
        check(&[], &[], finer, &[], 180_000);
        check(&[("log.retention.hours", "1")], &[], &[("log.retention.ms", "5")], &[], 5);
        check(&[], &[("log.retention.ms", "7")], &[("log.retention.ms", "5")], &[], 7);
        let (broker, cluster) = (&[("log.retention.ms", "8")], &[("log.retention.ms", "7")]);
        check(broker, cluster, &[], &[], 8);
        check(broker, cluster, &[], &[("retention.ms", "9")], 9);
        // No longer accepted: as if not set.
        check(broker, cluster, &[], &[("retention.ms", "-9")], 8);
    }

    #[test]
    fn flushing_every_message_is_being_synced() {
        let own = overrides(&[("ringmain.durability", "written"), ("flush.messages", "1")]);
        let config = TopicConfig::resolve(&own, &BrokerSettings::default());
        assert_eq!(config.durability, DurabilityLevel::Synced);
    }

    #[test]
    fn faults_name_the_key_the_value_and_the_range() {
        let check = |file: Option<&str>, flags: &[&str], expect: &str| {
            let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
            let fault = BrokerSettings::load(file, &flags).expect_err(expect);
            assert_eq!(fault.to_string(), expect);
        };
        check(
            None,
            &["num.partition=1"],
            "unknown setting num.partition; did you mean num.partitions?",
        );
        check(None, &["zookeeper.connect=x"], "unknown setting zookeeper.connect");
        check(
            Some("num.partitions = 0"),
            &[],
            "num.partitions = \"0\": must be a whole number from 1 to 10000",
        );
        check(None, &["node.id"], "node.id: expected key=value");
        check(
            None,
            &["ringmain.durability=fsync"],
            "ringmain.durability = \"fsync\": must be one of relaxed, written, synced",
        );
        check(
            None,
            &["ringmain.memory.per.core.bytes=104857600"],
            "socket.request.max.bytes (104857600) is more than the requests in flight of a core \
             may hold: 50 percent of ringmain.memory.per.core.bytes (104857600)",
        );
        check(None, &["log.dirs=a,b, a"], "log.dirs names a twice");
        check(None, &["log.dirs="], "log.dirs names no directory");
        check(
            None,
            &["log.cleaner.min.compaction.lag.ms=2", "log.cleaner.max.compaction.lag.ms=1"],
            "min.compaction.lag.ms (2) is greater than max.compaction.lag.ms (1)",
        );
    }

    #[test]
    fn flags_stand_over_the_file() {
        let file = "[num]\npartitions = 3\n[log.retention]\nhours = 1\n";
        let flags = ["num.partitions=4".to_owned(), "log.dirs=a, b".to_owned()];
        let settings = BrokerSettings::load(Some(file), &flags).expect("good settings");
        let config = BrokerConfig::resolve(&settings);
        assert_eq!(config.num_partitions, 4);
        assert_eq!(config.log_dirs, ["a", "b"]);
        let topic = TopicConfig::resolve(&Overrides::new(), &settings);
        assert_eq!(topic.retention_ms, 3_600_000);
    }
}
