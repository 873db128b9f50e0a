//! Who coordinates consumer groups and transactions, as rules: what is asked, what is decided, what
//! is written down. Pure: the shard appends what is decided to Kafka's internal topics, holds the
//! answers back until it is as safe as the topic's level says, and replays the same records when a
//! core takes a partition over.
//!
//! Each partition of an internal topic is one [`Machine`], owned by the partition's core.

pub mod group;
pub mod hash;
pub mod outcome;
pub mod timers;
pub mod txn;
pub mod view;

pub use outcome::{Call, Entry, Machine, Now, Outcome, Record, Rules, Seed, Writer, batch_bytes};
pub use view::{TopicFacts, View};
