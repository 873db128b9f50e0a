//! What a command changed, for the cores to catch up with.

use std::sync::Arc;

use super::Topic;
use crate::model::{CoreId, NodeId, PartitionId, TopicId};

/// In the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    pub changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    ClusterFormatted,
    NodeRegistered(NodeId),
    TopicCreated(TopicId),
    /// The topic as it was.
    TopicDeleted(Arc<Topic>),
    /// From `first` to the last one.
    PartitionsAdded {
        id: TopicId,
        first: PartitionId,
    },
    PartitionPlaced {
        id: TopicId,
        partition: PartitionId,
        node: NodeId,
        from: CoreId,
        to: CoreId,
    },
    /// Of a host, from `first` on.
    DirectoriesAssigned {
        id: TopicId,
        node: NodeId,
        first: PartitionId,
    },
    TopicConfigsChanged(TopicId),
    /// Of one host, or of all of them.
    BrokerConfigsChanged(Option<NodeId>),
    GroupConfigsChanged(String),
    ProducerIdsAllocated {
        node: NodeId,
        first: i64,
        count: i32,
    },
}

impl Delta {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub fn extend(&mut self, later: Delta) {
        self.changes.extend(later.changes);
    }
}

impl From<Option<Change>> for Delta {
    fn from(change: Option<Change>) -> Delta {
        Delta { changes: change.into_iter().collect() }
    }
}
