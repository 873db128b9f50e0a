//! Metadata: the lanes as brokers, and for each partition the lane of the core that owns it.
//! Creates a topic that does not exist when the client and the settings want that.

use std::collections::BTreeSet;

use super::Cx;
use super::replicas::Replicas;
use super::reply::Reply;
use crate::cluster::image::{ClusterImage, Topic};
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::model::topic_name;
use crate::shard::Shard;
use crate::wire::messages::Refuse;
use crate::wire::messages::metadata::{
    Metadata, MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};

/// Every operation on the cluster and on a topic, as bits of the protocol's numbers: without
/// authentication everyone may do everything. Cluster: create, alter, describe, cluster action,
/// describe and alter configs, idempotent write. Topic: read, write, create, delete, alter,
/// describe, describe and alter configs.
pub const CLUSTER_OPERATIONS: i32 = bits(&[5, 7, 8, 9, 10, 11, 12]);
pub const TOPIC_OPERATIONS: i32 = bits(&[3, 4, 5, 6, 7, 8, 10, 11]);

const fn bits(operations: &[u32]) -> i32 {
    let mut bits = 0;
    let mut index = 0;
    while index < operations.len() {
        bits |= 1 << operations[index];
        index += 1;
    }
    bits
}

/// Topics may be named by id from this version on; where both are given, the id counts (KIP-516).
const BY_ID: i16 = 12;

/// A topic of the request; one that is asked for twice is answered once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked<'a> {
    Name(&'a str),
    Id(TopicId),
}

pub async fn handle(cx: &Cx<'_>, request: MetadataRequest<'_>) -> Reply {
    let version = cx.version();
    let too_early = |topic: &MetadataRequestTopic<'_>| {
        version < BY_ID && (topic.name.is_none() || !topic.topic_id.is_nil())
    };
    if request.topics.iter().flatten().any(too_early) {
        let refused = Metadata::refusal(&request, version, ErrorCode::INVALID_REQUEST);
        return cx.reply::<Metadata>(&refused);
    }
    let every = match &request.topics {
        None => true,
        Some(topics) => topics.is_empty() && version == 0,
    };
    let mut seen = BTreeSet::new();
    let asked: Vec<Asked<'_>> = request
        .topics
        .iter()
        .flatten()
        .map(|topic| match topic.name {
            Some(name) if topic.topic_id.is_nil() => Asked::Name(name),
            _ => Asked::Id(topic.topic_id),
        })
        .filter(|&asked| seen.insert(asked))
        .collect();
    let config = cx.shard().config();
    let create =
        (version < 4 || request.allow_auto_topic_creation) && config.auto_create_topics_enable;
    if create {
        let image = cx.shard().image();
        let missing = asked.iter().filter_map(|asked| match asked {
            Asked::Name(name) if image.topic(name).is_none() => Some(*name),
            _ => None,
        });
        let missing: Vec<&str> =
            missing.filter(|name| topic_name::validate(name).is_ok()).collect();
        if !missing.is_empty() {
            cx.create_automatically(&missing).await;
        }
    }
    let image = cx.shard().image();
    let cluster_id = image.cluster_id().to_string();
    let mut response = MetadataResponse {
        cluster_id: Some(&cluster_id),
        controller_id: cx.controller_id(),
        ..Default::default()
    };
    for (node, lane) in image.brokers() {
        response.brokers.push(MetadataResponseBroker {
            node_id: lane.broker.0,
            host: &lane.host,
            port: i32::from(lane.port),
            rack: node.rack.as_deref(),
        });
    }
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    let shard = cx.shard();
    if every {
        response.topics = image.topics().map(|topic| describe(shard, &image, topic)).collect();
    } else {
        response.topics = asked.iter().map(|asked| found(shard, &image, asked, create)).collect();
    }
    if request.include_topic_authorized_operations {
        for topic in response.topics.iter_mut().filter(|t| t.error_code == ErrorCode::NONE) {
            topic.topic_authorized_operations = TOPIC_OPERATIONS;
        }
    }
    cx.reply::<Metadata>(&response)
}

fn found<'a>(
    shard: &Shard,
    image: &'a ClusterImage,
    asked: &Asked<'a>,
    created: bool,
) -> MetadataResponseTopic<'a> {
    match *asked {
        Asked::Name(name) => match image.topic(name) {
            Some(topic) => describe(shard, image, topic),
            None => MetadataResponseTopic {
                error_code: if topic_name::validate(name).is_err() {
                    ErrorCode::INVALID_TOPIC_EXCEPTION
                } else if created {
                    ErrorCode::LEADER_NOT_AVAILABLE
                } else {
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                },
                name: Some(name),
                ..Default::default()
            },
        },
        Asked::Id(id) => match image.topic_by_id(id) {
            Some(topic) => describe(shard, image, topic),
            None => MetadataResponseTopic {
                error_code: ErrorCode::UNKNOWN_TOPIC_ID,
                topic_id: id,
                ..Default::default()
            },
        },
    }
}

fn describe<'a>(
    shard: &Shard,
    image: &'a ClusterImage,
    topic: &'a Topic,
) -> MetadataResponseTopic<'a> {
    let partitions = 0..topic.partitions.len();
    MetadataResponseTopic {
        name: Some(&topic.name),
        topic_id: topic.id,
        is_internal: topic_name::is_internal(&topic.name),
        partitions: partitions.map(|index| partition(shard, image, topic, index)).collect(),
        ..Default::default()
    }
}

fn partition(
    shard: &Shard,
    image: &ClusterImage,
    topic: &Topic,
    index: usize,
) -> MetadataResponsePartition {
    let replicas = Replicas::of(shard, image, topic, index);
    MetadataResponsePartition {
        error_code: replicas.error,
        partition_index: index as i32,
        leader_id: replicas.leader,
        leader_epoch: replicas.leader_epoch,
        replica_nodes: replicas.all,
        isr_nodes: replicas.in_sync,
        offline_replicas: replicas.offline,
    }
}
