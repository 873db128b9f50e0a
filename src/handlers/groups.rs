//! What the APIs of groups have in common: the way to a group's coordinator.

use super::Cx;
use crate::coordinator::group::{Answer, Ask, Groups, Request};
use crate::model::error_code::ErrorCode;
use crate::shard::coordinators::Coordinated;

/// Every operation on a group, as bits of the protocol's numbers: read, delete, describe, describe
/// and alter configs.
pub const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

/// An answer of another kind than the question: cannot be.
pub const UNEXPECTED: ErrorCode = ErrorCode::UNKNOWN_SERVER_ERROR;

impl Cx<'_> {
    /// Asks the coordinator of a group, wherever it lives.
    pub(super) async fn ask_group(&self, group: &str, ask: Ask) -> Result<Answer, ErrorCode> {
        let request = Request { group: group.to_owned(), ask };
        self.shard().coordinate::<Groups>(group, request).await
    }

    /// Where the client is, as Kafka writes it.
    pub(super) fn client_host(&self) -> String {
        format!("/{}", self.client.peer.ip())
    }

    /// Asks every coordinator that clients find behind this lane.
    pub(super) async fn ask_lane(&self, ask: Ask) -> Vec<Result<Answer, ErrorCode>> {
        let shard = self.shard();
        let Some(topic) = shard.topic(Groups::TOPIC) else { return Vec::new() };
        let image = shard.image();
        let Some(node) = image.node(shard.node()) else { return Vec::new() };
        let mut answers = Vec::with_capacity(topic.partitions.len());
        for (index, place) in (0..).zip(&topic.partitions) {
            if place.core % node.lanes.len() != self.client.lane {
                continue;
            }
            let request = Request { group: String::new(), ask: ask.clone() };
            let partition = crate::model::PartitionId(index);
            answers.push(shard.coordinate_at::<Groups>(partition, place.core, request).await);
        }
        answers
    }
}
