//! Ringmain: a Kafka-wire-compatible broker, one pinned core per partition.
//!
//! The modules stand in reading order, which is also the order of layers: a room may import the
//! rooms above it in this list's order of appearance, never below; rooms on one line do not import
//! each other. `tests/tidy.rs` holds this law:
//!
//! `base < model < {wire, config} < {security, quota, rt} < {log, client} <
//! {replica, cluster, coordinator} < {shard, control} < handlers < server < node < cli`

pub mod base;
pub mod model;

pub mod config;
pub mod wire;

pub mod rt;

pub mod client;
pub mod log;

pub mod cluster;
pub mod coordinator;

pub mod shard;

pub mod handlers;
pub mod server;

pub mod cli;
pub mod node;
