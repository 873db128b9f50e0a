//! A client of Kafka's protocol on the data runtime, so it also runs in the simulator: used by the
//! command line, by tests, and between brokers.
//!
//! [`Connection`] pipelines requests to one broker and negotiates versions; [`Cluster`] finds
//! brokers and leaders and repeats what may be repeated; [`producer`] and [`consumer`] move
//! records. Everything belongs to the core on which it was made.

mod answer;
mod backoff;
mod cluster;
mod connection;
pub mod consumer;
mod endpoint;
mod error;
mod groups;
mod metadata;
mod offsets;
mod options;
mod partitioner;
pub mod producer;
mod routes;
mod versions;

pub use answer::Answer;
pub use backoff::Backoff;
pub use cluster::Cluster;
pub use connection::{Connection, Pending};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use error::Error;
pub use groups::{
    Committed, Group, GroupMember, ListedGroup, commit, committed, coordinator, delete_group,
    describe_group, list_groups,
};
pub use metadata::{Broker, Metadata, Partition, Scope, Topic};
pub use offsets::{Isolation, OffsetAt, list_offsets};
pub use options::Options;
pub use partitioner::{murmur2, partition_of_key};
pub use versions::Versions;

pub type Result<T> = std::result::Result<T, Error>;
