//! An image in one piece, so that the journal before it can go.
//!
//! One frame whose index is that of the last command in the image; behind it another with what is set
//! for consumer groups, if anything is, and a last one that says in which data directories partitions
//! lie, if anybody has chosen any. Each but the last says whether another follows. Unlike a journal's end, nothing
//! of a snapshot may be missing: it is good as a whole, or it is refused.

use std::collections::BTreeMap;
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
use crate::model::{ClusterId, DirectoryId, NodeId, TopicId};

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

#[derive(Archive, Serialize, Deserialize)]
struct GroupConfigsRecord {
    group: String,
    #[rkyv(with = AsVec)]
    configs: Overrides,
}

/// Where the partitions of a topic lie on a host.
#[derive(Archive, Serialize, Deserialize)]
struct DirectoriesRecord {
    id: TopicId,
    node: NodeId,
    directories: Vec<DirectoryId>,
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
    let held = image.topics().flat_map(|topic| {
        let held = topic.directories.iter();
        held.map(|(&node, directories)| (topic.id, node, directories.clone()))
    });
    let held: Vec<DirectoriesRecord> =
        held.map(|(id, node, directories)| DirectoriesRecord { id, node, directories }).collect();
    let groups = image.group_configs.iter();
    let groups: Vec<GroupConfigsRecord> = groups
        .map(|(group, configs)| GroupConfigsRecord {
            group: group.clone(),
            configs: configs.clone(),
        })
        .collect();
    // Which also says whether another frame follows.
    let more = !groups.is_empty() || !held.is_empty();
    let mut bytes = frame::seal(frame::SNAPSHOT, image.applied, more, &payload);
    if !groups.is_empty() {
        let payload = rkyv::to_bytes::<rancor::Error>(&groups).expect("memory takes the image");
        bytes.extend(frame::seal(frame::GROUPS, image.applied, !held.is_empty(), &payload));
    }
    if !held.is_empty() {
        let payload = rkyv::to_bytes::<rancor::Error>(&held).expect("memory takes the image");
        bytes.extend(frame::seal(frame::DIRECTORIES, image.applied, true, &payload));
    }
    bytes
}

/// The image of a whole snapshot file.
pub fn decode(bytes: &[u8]) -> Result<ClusterImage, FrameFault> {
    let frame = frame::open(frame::SNAPSHOT, bytes, SNAPSHOT_BYTES_MAX)?;
    let record = rkyv::from_bytes::<ImageRecord, rancor::Error>(&aligned(frame.payload))
        .map_err(|fault| FrameFault::Payload(fault.to_string()))?;
    let mut image = rebuild(record, frame.index)?;
    let mut rest = &bytes[frame.len()..];
    let mut more = frame.joins;
    if let Some(frame) = more.then(|| frame::open(frame::GROUPS, rest, SNAPSHOT_BYTES_MAX))
        && frame != Err(FrameFault::Magic)
    {
        let frame = frame?;
        if frame.index != image.applied {
            return Err(FrameFault::Payload("settings of groups of another snapshot".into()));
        }
        let bytes = aligned(frame.payload);
        let groups = rkyv::from_bytes::<Vec<GroupConfigsRecord>, rancor::Error>(&bytes)
            .map_err(|fault| FrameFault::Payload(fault.to_string()))?;
        let groups = groups.into_iter().map(|record| (record.group, record.configs));
        image.group_configs = Arc::new(groups.collect());
        more = frame.joins;
        rest = &rest[frame.len()..];
    }
    match (more, rest.is_empty()) {
        (false, true) => return Ok(image),
        (false, false) => return Err(FrameFault::Payload("bytes follow the snapshot".into())),
        (true, _) => {}
    }
    let held = frame::open(frame::DIRECTORIES, rest, SNAPSHOT_BYTES_MAX)?;
    if held.len() != rest.len() || held.index != image.applied {
        return Err(FrameFault::Payload("bytes follow the snapshot".into()));
    }
    let held = rkyv::from_bytes::<Vec<DirectoriesRecord>, rancor::Error>(&aligned(held.payload))
        .map_err(|fault| FrameFault::Payload(fault.to_string()))?;
    for DirectoriesRecord { id, node, directories } in held {
        let fits = image.topics.by_id(id).is_some_and(|t| directories.len() <= t.partitions.len());
        if !fits {
            return Err(FrameFault::Payload("directories of partitions that are not there".into()));
        }
        image.topics.change(id, |topic| topic.directories.insert(node, directories));
    }
    Ok(image)
}

/// An archive is read in place and wants its alignment.
fn aligned(payload: &[u8]) -> AlignedVec<16> {
    let mut aligned = AlignedVec::<16>::with_capacity(payload.len());
    aligned.extend_from_slice(payload);
    aligned
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
            directories: BTreeMap::new(),
        };
        if !image.topics.insert(topic) {
            return contradiction("a topic that is there twice");
        }
    }
    Ok(image)
}
