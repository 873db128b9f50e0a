//! What requests that read or move partitions have in common: how they name topics, which records
//! they may see, and how their partitions become questions to the owners.

use std::rc::Rc;

use super::{Cx, Desk};
use crate::model::error_code::ErrorCode;
use crate::model::ids::{PartitionId, TopicId};
use crate::shard::placement::TopicPlace;
use crate::shard::query::{Answer, Ask, Query};

/// Finds a topic by what the request's version carries; the error is Kafka's for that way.
pub fn find(
    desk: &Desk,
    name: &str,
    id: TopicId,
    by_id: bool,
) -> Result<Rc<TopicPlace>, ErrorCode> {
    if by_id {
        desk.shard.topic_by_id(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
    } else {
        desk.shard.topic(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    }
}

/// Whether a reader wants only what is committed (KIP-98); `None` for a level that does not exist.
pub fn committed_only(isolation_level: i8) -> Option<bool> {
    match isolation_level {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// The questions of one request, in its order; what cannot be asked is answered here.
#[derive(Default)]
pub struct Queries {
    queries: Vec<Query>,
    /// In request order: an answer of ours, or the next question.
    order: Vec<Option<ErrorCode>>,
}

impl Queries {
    pub fn refuse(&mut self, error: ErrorCode) {
        self.order.push(Some(error));
    }

    /// By name unless the id is given.
    pub fn add(
        &mut self,
        cx: &Cx<'_>,
        name: &str,
        id: TopicId,
        partition: i32,
        leader_epoch: i32,
        ask: Ask,
    ) {
        match find(cx.desk, name, id, !id.is_nil()) {
            Ok(topic) => {
                let partition = PartitionId(partition);
                self.queries.push(Query { topic: topic.id, partition, leader_epoch, ask });
                self.order.push(None);
            }
            Err(error) => self.refuse(error),
        }
    }

    /// All answers, in the order of the request.
    pub async fn ask(self, cx: &Cx<'_>) -> Vec<Answer> {
        let mut answers = cx.shard().ask(self.queries).await.into_iter();
        let next = |refused: Option<ErrorCode>| match refused {
            Some(error) => Answer::error(error),
            None => answers.next().unwrap_or_default(),
        };
        self.order.into_iter().map(next).collect()
    }
}
