//! What can happen to the metadata, and its bytes in the journal.
//!
//! A command is a fact that the controller decided, with every choice already in it (ids, cores,
//! epochs), so that applying it twice in two places gives the same image.

use rkyv::rancor;
use rkyv::util::AlignedVec;
use rkyv::with::AsVec;
use rkyv::{Archive, Deserialize, Serialize};

use super::frame::{self, FrameFault};
use super::{Node, Replica};
use crate::config::Overrides;
use crate::config::limits::COMMAND_BYTES_MAX;
use crate::model::{ClusterId, CoreId, DirectoryId, LeaderEpoch, NodeId, PartitionId, TopicId};

/// A change of the [`ClusterImage`](super::ClusterImage).
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum Command {
    /// Gives the cluster its id; the first command of every journal.
    FormatCluster {
        id: ClusterId,
    },
    /// A host came up, for the first time or with other lanes or cores than before.
    RegisterNode(Node),
    CreateTopic {
        name: String,
        id: TopicId,
        /// The replicas of each partition, the first leader first.
        partitions: Vec<Vec<Replica>>,
        #[rkyv(with = AsVec)]
        configs: Overrides,
    },
    DeleteTopic {
        id: TopicId,
    },
    AddPartitions {
        id: TopicId,
        /// The number of the first new partition: how many there were.
        first: PartitionId,
        partitions: Vec<Vec<Replica>>,
    },
    /// Replaces what the topic sets.
    SetTopicConfigs {
        id: TopicId,
        #[rkyv(with = AsVec)]
        configs: Overrides,
    },
    /// Replaces what is set online for one host, or for all of them.
    SetBrokerConfigs {
        node: Option<NodeId>,
        #[rkyv(with = AsVec)]
        configs: Overrides,
    },
    /// Producer ids from `first` on that only this host hands out; none below are given any more.
    AllocateProducerIds {
        node: NodeId,
        first: i64,
        count: i32,
    },
    /// Gives a partition's replica on this host to another core, or only raises its epoch.
    PlacePartition {
        id: TopicId,
        partition: PartitionId,
        node: NodeId,
        core: CoreId,
        /// The partition's epoch from now on.
        leader_epoch: LeaderEpoch,
    },
    /// Says in which data directories of a host partitions lie, from `first` on.
    AssignDirectories {
        id: TopicId,
        node: NodeId,
        first: PartitionId,
        directories: Vec<DirectoryId>,
    },
    /// Replaces what is set for one consumer group.
    SetGroupConfigs {
        group: String,
        #[rkyv(with = AsVec)]
        configs: Overrides,
    },
}

/// The command's frame, as the command of this index.
pub fn encode(index: u64, command: &Command) -> Vec<u8> {
    encode_joined(index, command, false)
}

/// With `joins`, as part of what is written in one go with the command before.
pub(super) fn encode_joined(index: u64, command: &Command, joins: bool) -> Vec<u8> {
    let payload = rkyv::to_bytes::<rancor::Error>(command).expect("memory takes every command");
    assert!(payload.len() <= COMMAND_BYTES_MAX, "the controller made a command beyond the limit");
    frame::seal(frame::COMMAND, index, joins, &payload)
}

/// The index and the command at the beginning of `bytes`, and how many bytes they took.
pub fn decode(bytes: &[u8]) -> Result<(u64, Command, usize), FrameFault> {
    let frame = frame::open(frame::COMMAND, bytes, COMMAND_BYTES_MAX)?;
    // The archive is read in place and wants its alignment.
    let mut payload = AlignedVec::<16>::with_capacity(frame.payload.len());
    payload.extend_from_slice(frame.payload);
    let command = rkyv::from_bytes::<Command, rancor::Error>(&payload)
        .map_err(|fault| FrameFault::Payload(fault.to_string()))?;
    Ok((frame.index, command, frame.len()))
}
