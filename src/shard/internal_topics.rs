//! The topics that coordinators keep: what they are set to, as in Kafka, whether they are made here or
//! taken over.

use crate::cluster::controller::NewTopic;
use crate::config::{BrokerConfig, Overrides};

/// Compacted, as the coordinators wrote it, in segments that are small enough to be compacted soon.
pub fn configs(config: &BrokerConfig) -> Overrides {
    let set = |key: &str, value: String| (key.to_owned(), value);
    Overrides::from([
        set("cleanup.policy", "compact".to_owned()),
        set("compression.type", "producer".to_owned()),
        set("segment.bytes", config.offsets_topic_segment_bytes.to_string()),
    ])
}

/// The topic of a coordinator, on so many hosts.
pub fn new_topic(name: &str, config: &BrokerConfig, hosts: usize) -> NewTopic {
    // Fewer hosts keep fewer copies, each host no more than one.
    let most = i16::try_from(hosts).unwrap_or(i16::MAX);
    let replicas = i16::try_from(config.offsets_topic_replication_factor).unwrap_or(i16::MAX);
    let configs = configs(config).into_iter().map(|(key, value)| (key, Some(value)));
    NewTopic {
        partitions: config.offsets_topic_num_partitions,
        replication_factor: replicas.min(most),
        configs: configs.collect(),
        ..NewTopic::named(name)
    }
}
