//! A client of Kafka's protocol on the data runtime, so it also runs in the simulator: used by the
//! command line, by tests, and between brokers.
//!
//! [`Connection`] pipelines requests to one broker and negotiates versions; [`Cluster`] finds
//! brokers and leaders and repeats what may be repeated; [`producer`] and [`consumer`] move
//! records, a [`Transactor`] writes them and offsets as one, a [`member`] takes part in a group.
//! Everything belongs to the core on which it was made.

mod answer;
mod backoff;
mod cluster;
mod connection;
pub mod consumer;
mod coordinators;
mod described;
mod endpoint;
mod error;
mod groups;
pub mod member;
mod metadata;
mod offsets;
mod options;
mod partitioner;
pub mod producer;
mod routes;
mod transactor;
mod versions;

pub use answer::Answer;
pub use backoff::Backoff;
pub use cluster::Cluster;
pub use connection::{Connection, Pending};
pub use coordinators::{Coordinated, coordinator, find_coordinator};
pub use described::{Group, GroupKind, GroupMember, describe_group};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use error::Error;
pub use groups::{
    Committed, CommittedOffset, ListedGroup, commit, committed, committed_and_stable, delete_group,
    list_groups,
};
pub use metadata::{Broker, Metadata, Partition, Scope, Topic};
pub use offsets::{Isolation, OffsetAt, list_offsets};
pub use options::Options;
pub use partitioner::{Sticky, murmur2, partition_of_key};
pub use transactor::{OffsetToCommit, Transactor};
pub use versions::Versions;

pub type Result<T> = std::result::Result<T, Error>;
