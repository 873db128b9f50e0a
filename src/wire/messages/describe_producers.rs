//! DescribeProducers: who writes to a partition, and since which offset in a transaction (KIP-664).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api DescribeProducers = 61, versions 0, flexible 0+;

    request DescribeProducersRequest<'a> {
        topics: Vec<TopicRequest<'a>>, 0+;
    }

    response DescribeProducersResponse<'a> {
        throttle_time_ms: i32, 0+;
        topics: Vec<TopicResponse<'a>>, 0+;
    }

    struct TopicRequest<'a> {
        name: &'a str, 0+;
        partition_indexes: Vec<i32>, 0+;
    }

    struct TopicResponse<'a> {
        name: &'a str, 0+;
        partitions: Vec<PartitionResponse<'a>>, 0+;
    }

    struct PartitionResponse<'a> {
        partition_index: i32, 0+;
        error_code: ErrorCode, 0+;
        error_message: Option<&'a str>, 0+, null 0+;
        active_producers: Vec<ProducerState>, 0+;
    }

    struct ProducerState {
        producer_id: i64, 0+;
        producer_epoch: i32, 0+;
        last_sequence: i32, 0+, default -1;
        last_timestamp: i64, 0+, default -1;
        coordinator_epoch: i32, 0+;
        current_txn_start_offset: i64, 0+, default -1;
    }
}

impl<'a> Refuse<'a> for DescribeProducers {
    fn refusal(
        request: &DescribeProducersRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> DescribeProducersResponse<'a> {
        let refuse_partition = |&index: &i32| PartitionResponse {
            partition_index: index,
            error_code: error,
            error_message: Some(error.message()),
            active_producers: Vec::new(),
        };
        let refuse_topic = |topic: &TopicRequest<'a>| TopicResponse {
            name: topic.name,
            partitions: topic.partition_indexes.iter().map(refuse_partition).collect(),
        };
        DescribeProducersResponse {
            topics: request.topics.iter().map(refuse_topic).collect(),
            ..Default::default()
        }
    }
}
