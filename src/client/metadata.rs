//! What the cluster looks like: an owned copy of one Metadata answer.

use std::collections::BTreeMap;

use crate::client::Endpoint;
use crate::model::{BrokerId, ErrorCode, LeaderEpoch, TopicId};
use crate::wire::messages::metadata::{
    MetadataResponse, MetadataResponsePartition, MetadataResponseTopic,
};

/// Which topics are asked about.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    All,
    /// Only the brokers.
    None,
    Topics(&'a [&'a str]),
    /// And makes what does not exist, where the cluster allows it.
    TopicsOrNew(&'a [&'a str]),
}

#[derive(Clone, Debug, Default)]
pub struct Metadata {
    pub cluster_id: Option<String>,
    pub controller: Option<BrokerId>,
    pub brokers: BTreeMap<BrokerId, Broker>,
    pub topics: BTreeMap<String, Topic>,
}

#[derive(Clone, Debug)]
pub struct Broker {
    pub endpoint: Endpoint,
    pub rack: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Topic {
    /// `NIL` where the broker tells none.
    pub id: TopicId,
    pub error: ErrorCode,
    pub is_internal: bool,
    /// In the order of their numbers.
    pub partitions: Vec<Partition>,
}

#[derive(Clone, Debug)]
pub struct Partition {
    pub index: i32,
    pub error: ErrorCode,
    pub leader: Option<BrokerId>,
    pub leader_epoch: LeaderEpoch,
    pub replicas: Vec<BrokerId>,
    pub in_sync: Vec<BrokerId>,
    pub offline: Vec<BrokerId>,
}

impl Topic {
    pub fn partition(&self, index: i32) -> Option<&Partition> {
        let place = self.partitions.binary_search_by_key(&index, |partition| partition.index);
        place.ok().map(|place| &self.partitions[place])
    }
}

impl Metadata {
    pub(super) fn of(response: &MetadataResponse<'_>) -> Metadata {
        let known = |id: i32| (id >= 0).then_some(BrokerId(id));
        let broker = |broker: &crate::wire::messages::metadata::MetadataResponseBroker<'_>| {
            let port = u16::try_from(broker.port).unwrap_or(0);
            let endpoint = Endpoint { host: broker.host.to_owned(), port };
            (BrokerId(broker.node_id), Broker { endpoint, rack: broker.rack.map(str::to_owned) })
        };
        let named = |topic: &MetadataResponseTopic<'_>| Some((topic.name?.to_owned(), of(topic)));
        Metadata {
            cluster_id: response.cluster_id.map(str::to_owned),
            controller: known(response.controller_id),
            brokers: response.brokers.iter().map(broker).collect(),
            topics: response.topics.iter().filter_map(named).collect(),
        }
    }
}

fn of(topic: &MetadataResponseTopic<'_>) -> Topic {
    let ids = |ids: &[i32]| ids.iter().map(|&id| BrokerId(id)).collect();
    let partition = |partition: &MetadataResponsePartition| Partition {
        index: partition.partition_index,
        error: partition.error_code,
        leader: (partition.leader_id >= 0).then_some(BrokerId(partition.leader_id)),
        leader_epoch: LeaderEpoch(partition.leader_epoch),
        replicas: ids(&partition.replica_nodes),
        in_sync: ids(&partition.isr_nodes),
        offline: ids(&partition.offline_replicas),
    };
    let mut partitions: Vec<Partition> = topic.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.index);
    Topic {
        id: topic.topic_id,
        error: topic.error_code,
        is_internal: topic.is_internal,
        partitions,
    }
}
