//! The settings of a single consumer group: Kafka's (ConfigResource GROUP), for groups of the new protocol.
//! What a group does not set comes from the broker. A group need not be there to be set up.

use std::sync::LazyLock;

use super::property::properties;
use super::{BrokerConfig, BrokerSettings, Invalid, Kind, Overrides, Table};

properties! {
    /// What one group of the new protocol obeys.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct GroupConfig;
    fn properties;
    read {
        /// Milliseconds without a heartbeat after which a member is taken for dead; between
        /// `group.consumer.min.session.timeout.ms` and `group.consumer.max.session.timeout.ms`.
        "consumer.session.timeout.ms" as session_timeout_ms: i32, Kind::int_from(1)
            => "45000", Online, Medium, from ["group.consumer.session.timeout.ms"];
        /// Milliseconds between two heartbeats of a member, as the broker tells it; between
        /// `group.consumer.min.heartbeat.interval.ms` and
        /// `group.consumer.max.heartbeat.interval.ms`.
        "consumer.heartbeat.interval.ms" as heartbeat_interval_ms: i32, Kind::int_from(1)
            => "5000", Online, Medium, from ["group.consumer.heartbeat.interval.ms"];
        /// Milliseconds between two times that partitions are shared anew; between
        /// `group.consumer.min.assignment.interval.ms` and
        /// `group.consumer.max.assignment.interval.ms`.
        "consumer.assignment.interval.ms" as assignment_interval_ms: i32, Kind::int_from(0)
            => "1000", Online, Medium, from ["group.consumer.assignment.interval.ms"];
    }
    accepted {
        /// Whether partitions are shared out beside the heartbeats. Accepted for Kafka's tools; the
        /// core that owns the group does it at once.
        "consumer.assignor.offload.enable": Kind::Bool => "true", Online, Medium,
            from ["group.consumer.assignor.offload.enable"];
    }
}

/// Every group setting.
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(properties()));

impl GroupConfig {
    /// What holds for a group with these settings of its own. What no longer lies within the
    /// broker's bounds is taken to the nearest of them.
    pub fn of(overrides: Option<&Overrides>, broker: &BrokerConfig) -> GroupConfig {
        let own = |name: &str| overrides?.get(name)?.trim().parse::<i32>().ok();
        let config = GroupConfig {
            session_timeout_ms: own("consumer.session.timeout.ms")
                .unwrap_or(broker.group_consumer_session_timeout_ms),
            heartbeat_interval_ms: own("consumer.heartbeat.interval.ms")
                .unwrap_or(broker.group_consumer_heartbeat_interval_ms),
            assignment_interval_ms: own("consumer.assignment.interval.ms")
                .unwrap_or(broker.group_consumer_assignment_interval_ms),
        };
        let [session, heartbeat, assignment] = bounds(broker).map(|(_, min, max)| (min, max));
        let within = |value: i32, (min, max): (i32, i32)| value.clamp(min, max.max(min));
        GroupConfig {
            session_timeout_ms: within(config.session_timeout_ms, session),
            heartbeat_interval_ms: within(config.heartbeat_interval_ms, heartbeat),
            assignment_interval_ms: within(config.assignment_interval_ms, assignment),
        }
    }

    /// Checks each setting and all together (Kafka: GroupConfig.validate).
    pub fn validate(overrides: &Overrides, settings: &BrokerSettings) -> Result<(), Invalid> {
        TABLE.validate_all(overrides)?;
        let broker = BrokerConfig::resolve(settings);
        for (name, min, max) in bounds(&broker) {
            let set = overrides.get(name).and_then(|text| text.trim().parse::<i32>().ok());
            if set.is_some_and(|set| !(min..=max).contains(&set)) {
                return Err(Invalid::Together(format!(
                    "{name} must be in the range {min} to {max} inclusive."
                )));
            }
        }
        let config = GroupConfig::read_with(|name| {
            let property = TABLE.get(name).expect("declared here");
            settings.topic_value(property, overrides).map(|value| value.into_owned())
        });
        if config.session_timeout_ms <= config.heartbeat_interval_ms {
            return Err(Invalid::Together(
                "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms"
                    .into(),
            ));
        }
        Ok(())
    }
}

/// Each setting that the broker bounds, with the bounds.
fn bounds(broker: &BrokerConfig) -> [(&'static str, i32, i32); 3] {
    [
        (
            "consumer.session.timeout.ms",
            broker.group_consumer_min_session_timeout_ms,
            broker.group_consumer_max_session_timeout_ms,
        ),
        (
            "consumer.heartbeat.interval.ms",
            broker.group_consumer_min_heartbeat_interval_ms,
            broker.group_consumer_max_heartbeat_interval_ms,
        ),
        (
            "consumer.assignment.interval.ms",
            broker.group_consumer_min_assignment_interval_ms,
            broker.group_consumer_max_assignment_interval_ms,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_group_may_set_what_the_broker_allows() {
        let check = |pairs: &[(&str, &str)], expect: &str| {
            let fixed = set(&[
                ("group.consumer.min.heartbeat.interval.ms", "1000"),
                ("group.consumer.max.heartbeat.interval.ms", "50000"),
            ]);
            let settings = BrokerSettings { fixed, ..BrokerSettings::default() };
            let found = GroupConfig::validate(&set(pairs), &settings);
            assert_eq!(
                found.map_err(|fault| fault.to_string()),
                match expect {
                    "" => Ok(()),
                    fault => Err(fault.to_owned()),
                }
            );
        };
        check(&[("consumer.session.timeout.ms", "50000")], "");
        check(&[("consumer.heartbeat.interval.ms", "1000")], "");
        let range = "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive.";
        check(&[("consumer.session.timeout.ms", "1000")], range);
        check(
            &[("consumer.heartbeat.interval.ms", "45000")],
            "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms",
        );
        check(
            &[("consumer.session.timeout.ms", "0")],
            "consumer.session.timeout.ms = \"0\": must be a whole number from 1",
        );
    }

    #[test]
    fn what_lies_outside_by_now_is_taken_to_the_bound() {
        let own = set(&[("consumer.session.timeout.ms", "90000")]);
        let config = GroupConfig::of(Some(&own), &BrokerConfig::default());
        assert_eq!((config.session_timeout_ms, config.heartbeat_interval_ms), (60_000, 5_000));
    }
}
