//! A produce request between its appends and its answer: what the answer will say, and when.

use std::rc::Rc;

use super::spare::spare_vec;
use crate::model::ids::{PartitionId, TopicId};
use crate::shard::append_group::AppendGroup;
use crate::shard::placement::TopicPlace;
use crate::wire::frame::{self, RequestKind};
use crate::wire::messages::produce::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, Produce, ProduceResponse,
    TopicProduceResponse,
};
use crate::wire::primitives::Writer;

/// A produce request whose partitions are being acknowledged.
pub struct Appending {
    pub(super) group: Rc<AppendGroup>,
    pub(super) kind: RequestKind,
    /// In the order of the request; the result of each has the same place in the group.
    pub(super) parts: Vec<(TopicName, PartitionId)>,
}

pub(super) enum TopicName {
    Known(Rc<TopicPlace>),
    Unknown(Box<str>, TopicId),
}

impl TopicName {
    fn name(&self) -> &str {
        match self {
            TopicName::Known(topic) => &topic.name,
            TopicName::Unknown(name, _) => name,
        }
    }

    fn id(&self) -> TopicId {
        match self {
            TopicName::Known(topic) => topic.id,
            TopicName::Unknown(_, id) => *id,
        }
    }
}

impl Appending {
    pub fn is_done(&self) -> bool {
        self.group.is_done()
    }

    /// The answer's frame; only when done.
    pub fn encode(self) -> Vec<u8> {
        let results = self.group.results();
        let mut responses: Vec<TopicProduceResponse<'_>> = Vec::with_capacity(1);
        for ((topic, partition), result) in self.parts.iter().zip(results.iter()) {
            let mut part = PartitionProduceResponse {
                index: partition.0,
                error_code: result.error,
                base_offset: result.base_offset,
                log_append_time_ms: result.append_time_ms,
                log_start_offset: result.log_start_offset,
                ..Default::default()
            };
            if let Some(reason) = &result.reason {
                part.error_message = Some(&reason.message);
                let blame = |&batch_index: &i32| BatchIndexAndErrorMessage {
                    batch_index,
                    batch_index_error_message: Some(&reason.message),
                };
                part.record_errors = reason.records.iter().map(blame).collect();
            }
            let same =
                |t: &TopicProduceResponse<'_>| t.name == topic.name() && t.topic_id == topic.id();
            match responses.last_mut().filter(|t| same(t)) {
                Some(topic) => topic.partition_responses.push(part),
                None => responses.push(TopicProduceResponse {
                    name: topic.name(),
                    topic_id: topic.id(),
                    partition_responses: vec![part],
                }),
            }
        }
        let response = ProduceResponse { responses, ..Default::default() };
        let mut bytes = spare_vec();
        let RequestKind { version, correlation_id, .. } = self.kind;
        let mut writer = Writer::new(&mut bytes);
        frame::write_response::<Produce>(&mut writer, version, correlation_id, &response);
        bytes
    }
}
