//! A change of the cluster on its way to the metadata core, and what was decided.

use crate::cluster::Command;
use crate::cluster::controller::{Edits, MorePartitions, NewTopic, Refusal, Replacement, TopicRef};
use crate::config::Overrides;
use crate::model::{ErrorCode, TopicId};

/// A change of the cluster that somebody asks for.
pub enum Proposal {
    CreateTopics {
        topics: Vec<NewTopic>,
        validate_only: bool,
    },
    DeleteTopics(Vec<TopicRef>),
    CreatePartitions {
        topics: Vec<MorePartitions>,
        validate_only: bool,
    },
    AlterConfigs {
        resources: Vec<Replacement>,
        validate_only: bool,
    },
    IncrementalAlterConfigs {
        resources: Vec<Edits>,
        validate_only: bool,
    },
    AllocateProducerIds,
    /// Decided already: at a start before anybody can ask, and of what only this host can know.
    Commands(Vec<Command>),
}

/// The answer to each item of a proposal, in order.
pub struct Decision(pub Vec<Result<Decided, Refusal>>);

#[derive(Clone, Debug)]
pub enum Decided {
    Done,
    Topic { id: TopicId, partitions: i32, replication_factor: i16, configs: Overrides },
    ProducerIds { first: i64, count: i32 },
}

impl Decision {
    pub fn refused(code: ErrorCode, message: &str) -> Decision {
        Decision(vec![Err(Refusal::new(code, message))])
    }
}
