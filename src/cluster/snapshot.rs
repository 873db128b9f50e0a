//! An image in one piece, so that the journal before it can go.
//!
//! One frame whose index is that of the last command in the image. Unlike a journal's end, nothing
//! of a snapshot may be missing: it is good as a whole, or it is refused.

use std::sync::Arc;

use rkyv::rancor;
use rkyv::util::AlignedVec;
use rkyv::with::AsVec;
use rkyv::{Archive, Deserialize, Serialize};

use super::frame::{self, FrameFault};
use super::image::well_formed;
use super::{ClusterImage, Node, Partition, Topic};
use crate::config::Overrides;
use crate::config::limits::SNAPSHOT_BYTES_MAX;
use crate::model::{ClusterId, NodeId, TopicId};

#[derive(Archive, Serialize, Deserialize)]
struct ImageRecord {
    cluster_id: ClusterId,
    nodes: Vec<Node>,
    topics: Vec<TopicRecord>,
    #[rkyv(with = AsVec)]
    cluster_configs: Overrides,
    node_configs: Vec<NodeConfigsRecord>,
    next_producer_id: i64,
}

#[derive(Archive, Serialize, Deserialize)]
struct TopicRecord {
    name: String,
    id: TopicId,
    #[rkyv(with = AsVec)]
    configs: Overrides,
    partitions: Vec<Partition>,
}

#[derive(Archive, Serialize, Deserialize)]
struct NodeConfigsRecord {
    node: NodeId,
    #[rkyv(with = AsVec)]
    configs: Overrides,
}

/// The whole snapshot file.
pub fn encode(image: &ClusterImage) -> Vec<u8> {
    let record = ImageRecord {
        cluster_id: image.cluster_id,
        nodes: image.nodes().cloned().collect(),
        topics: image
            .topics()
            .map(|topic| TopicRecord {
                name: topic.name.to_string(),
                id: topic.id,
                configs: topic.configs.clone(),
                partitions: topic.partitions.clone(),
            })
            .collect(),
        cluster_configs: image.cluster_configs().clone(),
        node_configs: image
            .node_configs
            .iter()
            .map(|(&node, configs)| NodeConfigsRecord { node, configs: configs.clone() })
            .collect(),
        next_producer_id: image.next_producer_id,
    };
    let payload = rkyv::to_bytes::<rancor::Error>(&record).expect("memory takes the image");
    assert!(payload.len() <= SNAPSHOT_BYTES_MAX, "the limits of topics keep the image below this");
    frame::seal(frame::SNAPSHOT, image.applied, false, &payload)
}

/// The image of a whole snapshot file.
pub fn decode(bytes: &[u8]) -> Result<ClusterImage, FrameFault> {
    let frame = frame::open(frame::SNAPSHOT, bytes, SNAPSHOT_BYTES_MAX)?;
    if frame.len() != bytes.len() {
        return Err(FrameFault::Payload("bytes follow the snapshot".into()));
    }
    // The archive is read in place and wants its alignment.
    let mut payload = AlignedVec::<16>::with_capacity(frame.payload.len());
    payload.extend_from_slice(frame.payload);
    let record = rkyv::from_bytes::<ImageRecord, rancor::Error>(&payload)
        .map_err(|fault| FrameFault::Payload(fault.to_string()))?;
    rebuild(record, frame.index)
}

fn rebuild(record: ImageRecord, applied: u64) -> Result<ClusterImage, FrameFault> {
    let contradiction = |what: &str| Err(FrameFault::Payload(what.to_owned()));
    let mut image = ClusterImage {
        cluster_id: record.cluster_id,
        cluster_configs: record.cluster_configs.into(),
        next_producer_id: record.next_producer_id,
        applied,
        ..ClusterImage::default()
    };
    for node in &record.nodes {
        if node.lanes.is_empty() || node.lanes.len() > usize::from(node.cores) {
            return contradiction("a host whose lanes do not fit its cores");
        }
    }
    image.nodes = Arc::new(record.nodes.into_iter().map(|node| (node.id, node)).collect());
    let node_configs = record.node_configs.into_iter();
    image.node_configs =
        Arc::new(node_configs.map(|record| (record.node, record.configs)).collect());
    for record in record.topics {
        let sound = |partition: &Partition| {
            well_formed(&partition.replicas) && partition.core_on(partition.leader).is_some()
        };
        if record.partitions.is_empty() || !record.partitions.iter().all(sound) {
            return contradiction("a partition whose leader has no replica");
        }
        let topic = Topic {
            name: record.name.into(),
            id: record.id,
            configs: record.configs,
            partitions: record.partitions,
        };
        if !image.topics.insert(topic) {
            return contradiction("a topic that is there twice");
        }
    }
    Ok(image)
}
