//! Who has a partition, as clients are told. Where this host's replica is offline it has no leader and
//! nobody in sync, as in Kafka 4.4.

use crate::cluster::image::{ClusterImage, Topic};
use crate::model::error_code::ErrorCode;
use crate::model::ids::PartitionId;
use crate::shard::Shard;

pub struct Replicas {
    pub error: ErrorCode,
    /// -1: none.
    pub leader: i32,
    pub leader_epoch: i32,
    pub all: Vec<i32>,
    pub in_sync: Vec<i32>,
    pub offline: Vec<i32>,
}

impl Replicas {
    /// Of a partition that the topic has.
    pub fn of(shard: &Shard, image: &ClusterImage, topic: &Topic, index: usize) -> Replicas {
        let (partition, number) = (&topic.partitions[index], PartitionId(index as i32));
        let leader = shard.leader_of(image, topic, number);
        let offline = shard.offline_replica(image, topic, number);
        let in_sync = image.isr_brokers(partition).into_iter().filter(|it| Some(*it) != offline);
        Replicas {
            error: match leader {
                Some(_) => ErrorCode::NONE,
                None => ErrorCode::LEADER_NOT_AVAILABLE,
            },
            leader: leader.map_or(-1, |broker| broker.0),
            leader_epoch: partition.leader_epoch.0,
            all: image.replica_brokers(partition).into_iter().map(|b| b.0).collect(),
            in_sync: in_sync.map(|broker| broker.0).collect(),
            offline: offline.iter().map(|broker| broker.0).collect(),
        }
    }
}
