//! Decisions: from a request and the image to the commands that fulfil it, or to a refusal.
//!
//! Each function is pure and judges every item of its request by itself, as Kafka does, but for
//! what items of one request do to one another. Who asks was authorised before.

mod alter_configs;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod node;
mod producer_ids;
mod replicas;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use super::ClusterImage;
use super::image::bytes_of;
use crate::config::limits::CONFIG_BYTES_MAX;
use crate::config::{Invalid, Overrides};
use crate::model::ErrorCode;

pub use alter_configs::{Edit, EditKind, Edits, Replacement, Resource};
pub use alter_configs::{alter_configs, incremental_alter_configs};
pub use create_partitions::{MorePartitions, create_partitions};
pub use create_topics::{CreatedTopic, NewTopic, create_topics};
pub use delete_topics::{TopicRef, delete_topics};
pub use node::start_node;
pub use producer_ids::allocate_producer_ids;
pub use replicas::Assignment;

/// Why a request is not fulfilled, in words for whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: ErrorCode,
    pub message: String,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Refusal {
        Refusal::new(ErrorCode::INVALID_CONFIG, invalid.to_string())
    }
}

/// Whether the metadata can bear these settings, too.
fn check_config_bytes(image: &ClusterImage, configs: &Overrides) -> Result<(), Refusal> {
    if image.config_bytes() + bytes_of(configs) > CONFIG_BYTES_MAX {
        let message = format!("all settings together may have {CONFIG_BYTES_MAX} bytes, no more");
        return Err(Refusal::new(ErrorCode::POLICY_VIOLATION, message));
    }
    Ok(())
}

/// Which items stand more than once in a request: all of them are refused, since none is meant.
fn repeated<T: Ord>(items: &[T]) -> BTreeSet<&T> {
    let mut seen = BTreeSet::new();
    items.iter().filter(|&item| !seen.insert(item)).collect()
}
