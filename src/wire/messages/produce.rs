//! Produce: record batches for partitions. Version 13 names topics by id (KIP-516), version 10 can
//! answer with the new leader (KIP-951).

mod head;
mod parts;

pub use head::ProduceHead;
pub use parts::{ProducePart, ProduceParts};

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::Refuse;

message! {
    api Produce = 0, versions 3-13, flexible 9+;

    request ProduceRequest<'a> {
        transactional_id: Option<&'a str>, 3+, null 3+;
        acks: i16, 0+;
        timeout_ms: i32, 0+;
        topic_data: Vec<TopicProduceData<'a>>, 0+;
    }

    response ProduceResponse<'a> {
        responses: Vec<TopicProduceResponse<'a>>, 0+;
        throttle_time_ms: i32, 1+;
        node_endpoints: Vec<NodeEndpoint<'a>>, 10+, tag 0;
    }

    struct TopicProduceData<'a> {
        name: &'a str, 0-12;
        topic_id: TopicId, 13+;
        partition_data: Vec<PartitionProduceData<'a>>, 0+;
    }

    struct PartitionProduceData<'a> {
        index: i32, 0+;
        records: Option<&'a [u8]>, 0+, null 0+;
    }

    struct TopicProduceResponse<'a> {
        name: &'a str, 0-12;
        topic_id: TopicId, 13+;
        partition_responses: Vec<PartitionProduceResponse<'a>>, 0+;
    }

    struct PartitionProduceResponse<'a> {
        index: i32, 0+;
        error_code: ErrorCode, 0+;
        base_offset: i64, 0+;
        log_append_time_ms: i64, 2+, default -1;
        log_start_offset: i64, 5+, default -1;
        record_errors: Vec<BatchIndexAndErrorMessage<'a>>, 8+;
        error_message: Option<&'a str>, 8+, null 8+;
        current_leader: LeaderIdAndEpoch, 10+, tag 0;
    }

    struct BatchIndexAndErrorMessage<'a> {
        batch_index: i32, 8+;
        batch_index_error_message: Option<&'a str>, 8+, null 8+;
    }

    struct LeaderIdAndEpoch {
        leader_id: i32, 10+, default -1;
        leader_epoch: i32, 10+, default -1;
    }

    struct NodeEndpoint<'a> {
        node_id: i32, 10+;
        host: &'a str, 10+;
        port: i32, 10+;
        rack: Option<&'a str>, 10+, null 10+;
    }
}

impl<'a> Refuse<'a> for Produce {
    fn refusal(
        request: &ProduceRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> ProduceResponse<'a> {
        let refuse_partition = |partition: &PartitionProduceData<'a>| PartitionProduceResponse {
            index: partition.index,
            error_code: error,
            base_offset: -1,
            error_message: Some(error.message()),
            ..Default::default()
        };
        let refuse_topic = |topic: &TopicProduceData<'a>| TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses: topic.partition_data.iter().map(refuse_partition).collect(),
        };
        ProduceResponse {
            responses: request.topic_data.iter().map(refuse_topic).collect(),
            ..Default::default()
        }
    }
}
