//! What the requests of transactional producers have in common.

use super::Cx;
use crate::coordinator::txn::{Answer, Ask, Partitions, Producer};
use crate::model::error_code::ErrorCode;

impl Cx<'_> {
    /// Asks the coordinator. `ask` makes the question, with a producer id where the step uses one.
    pub(super) async fn transact(
        &self,
        transactional_id: &str,
        ask: impl Fn(Option<i64>) -> Ask,
    ) -> Result<Answer, ErrorCode> {
        if transactional_id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let shard = self.shard();
        let mut spare_id = None;
        loop {
            match shard.transact(transactional_id, ask(spare_id)).await? {
                Answer::Refused(code) => return Err(code),
                // Asked for once: with an id in hand no step wants another.
                Answer::WantsId if spare_id.is_none() => {
                    spare_id = Some(shard.next_producer_id().await?);
                }
                Answer::WantsId => return Err(ErrorCode::UNKNOWN_SERVER_ERROR),
                answer => return Ok(answer),
            }
        }
    }

    /// PRODUCER_FENCED came with this version; older clients know another name for it.
    pub(super) fn fenced_since(&self, version: i16, code: ErrorCode) -> ErrorCode {
        if code == ErrorCode::PRODUCER_FENCED && self.version() < version {
            ErrorCode::INVALID_PRODUCER_EPOCH
        } else {
            code
        }
    }
}

pub fn producer(id: i64, epoch: i16) -> Producer {
    Producer { id, epoch }
}

pub fn partitions<'a>(topics: impl Iterator<Item = (&'a str, &'a [i32])>) -> Partitions {
    let mut partitions = Partitions::new();
    for (topic, numbers) in topics {
        partitions.entry(topic.to_owned()).or_default().extend(numbers);
    }
    partitions
}
