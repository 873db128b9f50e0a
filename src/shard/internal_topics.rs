//! The topics that coordinators keep: what they are set to, as in Kafka, whether they are made here or
//! taken over.

use crate::cluster::controller::NewTopic;
use crate::config::{BrokerConfig, Overrides};
use crate::coordinator::txn::TxnMachine;
use crate::shard::coordinators::Coordinated;

/// Compacted, as the coordinators wrote it, in segments that are small enough to be compacted soon.
pub fn configs(name: &str, config: &BrokerConfig) -> Overrides {
    let set = |key: &str, value: String| (key.to_owned(), value);
    let compacted = ("cleanup.policy".to_owned(), "compact".to_owned());
    if name == TxnMachine::TOPIC {
        return Overrides::from([
            compacted,
            set("compression.type", "uncompressed".to_owned()),
            set("min.insync.replicas", config.transaction_state_log_min_isr.to_string()),
            set("segment.bytes", config.transaction_state_log_segment_bytes.to_string()),
            set("unclean.leader.election.enable", "false".to_owned()),
        ]);
    }
    Overrides::from([
        compacted,
        set("compression.type", "producer".to_owned()),
        set("segment.bytes", config.offsets_topic_segment_bytes.to_string()),
    ])
}

/// The topic of a coordinator, on so many hosts.
pub fn new_topic(name: &str, config: &BrokerConfig, hosts: usize) -> NewTopic {
    // Fewer hosts keep fewer copies, each host no more than one.
    let most = i16::try_from(hosts).unwrap_or(i16::MAX);
    let (partitions, replicas) = if name == TxnMachine::TOPIC {
        let replicas = config.transaction_state_log_replication_factor;
        (config.transaction_state_log_num_partitions, replicas)
    } else {
        (config.offsets_topic_num_partitions, config.offsets_topic_replication_factor)
    };
    let replicas = i16::try_from(replicas).unwrap_or(i16::MAX);
    let configs = configs(name, config).into_iter().map(|(key, value)| (key, Some(value)));
    NewTopic {
        partitions,
        replication_factor: replicas.min(most),
        configs: configs.collect(),
        ..NewTopic::named(name)
    }
}
