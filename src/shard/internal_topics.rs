//! The topics that coordinators keep: how they are made and what they are set to, as in Kafka, whether
//! they are made here or taken over.

use super::coordinators::Coordinated;
use crate::cluster::controller::NewTopic;
use crate::config::{BrokerConfig, Overrides};
use crate::coordinator::txn::TxnMachine;

struct Layout {
    partitions: i32,
    replicas: i32,
    segment_bytes: i32,
    /// Beside that it is compacted.
    others: Vec<(&'static str, String)>,
}

fn layout(name: &str, config: &BrokerConfig) -> Layout {
    if name == TxnMachine::TOPIC {
        return Layout {
            partitions: config.transaction_state_log_num_partitions,
            replicas: config.transaction_state_log_replication_factor,
            segment_bytes: config.transaction_state_log_segment_bytes,
            others: vec![
                ("compression.type", "uncompressed".to_owned()),
                ("unclean.leader.election.enable", "false".to_owned()),
                ("min.insync.replicas", config.transaction_state_log_min_isr.to_string()),
            ],
        };
    }
    Layout {
        partitions: config.offsets_topic_num_partitions,
        replicas: config.offsets_topic_replication_factor,
        segment_bytes: config.offsets_topic_segment_bytes,
        others: vec![("compression.type", "producer".to_owned())],
    }
}

/// Compacted, as the coordinators wrote it, in segments that are small enough to be compacted soon.
pub fn configs(name: &str, config: &BrokerConfig) -> Overrides {
    let Layout { segment_bytes, others, .. } = layout(name, config);
    let always =
        [("cleanup.policy", "compact".to_owned()), ("segment.bytes", segment_bytes.to_string())];
    let all = always.into_iter().chain(others);
    all.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The topic of a coordinator, on so many hosts.
pub fn new_topic(name: &str, config: &BrokerConfig, hosts: usize) -> NewTopic {
    let Layout { partitions, replicas, .. } = layout(name, config);
    // Fewer hosts keep fewer copies, each host no more than one.
    let most = i16::try_from(hosts).unwrap_or(i16::MAX);
    let replicas = i16::try_from(replicas).unwrap_or(i16::MAX);
    let configs = configs(name, config).into_iter().map(|(key, value)| (key, Some(value)));
    NewTopic {
        partitions,
        replication_factor: replicas.min(most),
        configs: configs.collect(),
        ..NewTopic::named(name)
    }
}
