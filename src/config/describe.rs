//! What DescribeConfigs answers: every setting, what holds, and what would hold without it.

use std::borrow::Cow;

use super::settings::{Source, fallback_property};
use super::{BrokerSettings, Effect, Overrides, Property, Table, broker, group, topic};

/// One setting as it is described. None of ours is sensitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub name: &'static str,
    pub value: Option<String>,
    pub source: Source,
    /// Kafka's number of the type.
    pub type_code: i8,
    pub read_only: bool,
    /// Everything that is set for it, strongest first; the first one holds.
    pub synonyms: Vec<Synonym>,
    pub documentation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    pub name: &'static str,
    pub value: String,
    pub source: Source,
}

impl BrokerSettings {
    /// Every setting of a topic with these settings of its own, by name.
    pub fn describe_topic(&self, overrides: &Overrides) -> Vec<Described> {
        self.describe_all(&topic::TABLE, overrides, Source::Topic)
    }

    /// Every setting of a consumer group with these settings of its own, by name.
    pub fn describe_group(&self, overrides: &Overrides) -> Vec<Described> {
        self.describe_all(&group::TABLE, overrides, Source::Group)
    }

    fn describe_all(
        &self,
        table: &'static Table,
        overrides: &Overrides,
        source: Source,
    ) -> Vec<Described> {
        let describe = |property: &'static Property| {
            let own = overrides.get(property.name).filter(|value| property.kind.accepts(value));
            let own = own.map(|value| synonym(property, value, source));
            let fallbacks = property.fallbacks.iter().map(fallback_property);
            let synonyms: Vec<Synonym> = own
                .into_iter()
                .chain(fallbacks.flat_map(|setting| self.synonyms(setting)))
                .collect();
            let value = self.topic_value(property, overrides);
            described(property, value, synonyms)
        };
        table.iter().map(describe).collect()
    }

    /// Every setting of the broker itself, by name.
    pub fn describe_broker(&self) -> Vec<Described> {
        let describe = |property: &'static Property| {
            described(property, self.value(property), self.synonyms(property).collect())
        };
        broker::TABLE.iter().map(describe).collect()
    }

    /// What was set online for every broker, by name: the answer for the broker without a name.
    pub fn describe_cluster(&self) -> Vec<Described> {
        let describe = |(name, value): (&String, &String)| {
            let property = broker::TABLE.get(name)?;
            let synonyms = vec![synonym(property, value, Source::DynamicDefaultBroker)];
            Some(described(property, Some(Cow::Borrowed(value)), synonyms))
        };
        self.cluster.iter().filter_map(describe).collect()
    }

    fn synonyms(&self, property: &'static Property) -> impl Iterator<Item = Synonym> {
        let set = self.set(property).map(move |(source, value)| synonym(property, value, source));
        let default = property.default.as_deref();
        set.chain(default.map(move |value| synonym(property, value, Source::Default)))
    }
}

fn synonym(property: &'static Property, value: &str, source: Source) -> Synonym {
    Synonym { name: property.name, value: value.to_owned(), source }
}

fn described(
    property: &'static Property,
    value: Option<Cow<'_, str>>,
    synonyms: Vec<Synonym>,
) -> Described {
    Described {
        name: property.name,
        value: value.map(Cow::into_owned),
        source: synonyms.first().map_or(Source::Default, |synonym| synonym.source),
        type_code: property.kind.type_code(),
        read_only: property.effect == Effect::Restart,
        synonyms,
        documentation: &property.doc,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn line(described: &[Described], name: &str) -> String {
        let found = described.iter().find(|described| described.name == name).expect(name);
        let synonyms: Vec<String> = found
            .synonyms
            .iter()
            .map(|synonym| format!("{:?}:{}={}", synonym.source, synonym.name, synonym.value))
            .collect();
        let value = found.value.as_deref().unwrap_or("null");
        format!("{value} {:?} {} [{}]", found.source, found.type_code, synonyms.join(", "))
    }

    #[test]
    fn a_topic_tells_its_value_and_every_layer_below() {
        let settings = BrokerSettings {
            cluster: overrides(&[("log.retention.hours", "1")]),
            fixed: overrides(&[("log.retention.hours", "2")]),
            ..BrokerSettings::default()
        };
        let own = overrides(&[("cleanup.policy", "compact")]);
        let described = settings.describe_topic(&own);
        let check = |name, expect: &str| assert_eq!(line(&described, name), expect, "{name}");
        check(
            "cleanup.policy",
            "compact Topic 7 [Topic:cleanup.policy=compact, Default:log.cleanup.policy=delete]",
        );
        check(
            "retention.ms",
            "3600000 DynamicDefaultBroker 5 [DynamicDefaultBroker:log.retention.hours=1, \
             StaticBroker:log.retention.hours=2, Default:log.retention.hours=168]",
        );
        check("local.retention.ms", "-2 Default 5 [Default:log.local.retention.ms=-2]");
        check("leader.replication.throttled.replicas", " Default 7 []");
        assert_eq!(described.len(), topic::TABLE.iter().count());
        assert!(described.iter().all(|described| !described.read_only));
    }

    #[test]
    fn a_broker_tells_what_a_restart_is_needed_for() {
        let settings = BrokerSettings {
            broker: overrides(&[("num.partitions", "9")]),
            ..BrokerSettings::default()
        };
        let described = settings.describe_broker();
        let check = |name, expect: &str| assert_eq!(line(&described, name), expect, "{name}");
        check(
            "num.partitions",
            "9 DynamicBroker 3 [DynamicBroker:num.partitions=9, Default:num.partitions=1]",
        );
        check("log.retention.ms", "null Default 5 []");
        let read_only = |name| described.iter().any(|one| one.name == name && one.read_only);
        assert!(read_only("node.id") && !read_only("num.partitions"));
        assert_eq!(settings.describe_cluster(), []);
    }
}
