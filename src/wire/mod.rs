//! Bytes to messages and back: Kafka's wire protocol and its record batches. Pure functions over
//! slices; never does I/O, never keeps state, and never reserves memory by a count that the bytes at
//! hand cannot hold.

pub mod batch;
pub mod compression;
pub mod consumer_protocol;
pub mod error;
pub mod frame;
pub mod internal;
pub mod message;
pub mod messages;
pub mod primitives;
pub mod record;
pub mod schema;
pub mod value;
pub mod versioned;

pub use error::{Error, Result, What};
pub use message::{Api, Message};
pub use messages::{APIS, ApiKey, Refuse, api};
pub use primitives::{Reader, Writer};
