//! The client of our own for Kafka's protocol: pinned threads, one epoll each, no allocation for a
//! record.

pub mod cluster;
pub mod consumer;
pub mod link;
pub mod links;
pub mod member;
pub mod plan;
pub mod producer;
pub mod rpc;
pub mod seats;
pub mod settings;
pub mod storm;
pub mod template;
pub mod worker;
