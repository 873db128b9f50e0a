//! DescribeTopicPartitions: partitions of topics page by page, with their eligible leaders (KIP-966).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::Refuse;

pub use crate::wire::messages::metadata::OPERATIONS_NOT_ASKED;

message! {
    api DescribeTopicPartitions = 75, versions 0, flexible 0+;

    request DescribeTopicPartitionsRequest<'a> {
        topics: Vec<TopicRequest<'a>>, 0+;
        response_partition_limit: i32, 0+, default 2000;
        cursor: Option<Cursor<'a>>, 0+, null 0+;
    }

    response DescribeTopicPartitionsResponse<'a> {
        throttle_time_ms: i32, 0+;
        topics: Vec<DescribeTopicPartitionsResponseTopic<'a>>, 0+;
        next_cursor: Option<Cursor<'a>>, 0+, null 0+;
    }

    struct TopicRequest<'a> {
        name: &'a str, 0+;
    }

    struct Cursor<'a> {
        topic_name: &'a str, 0+;
        partition_index: i32, 0+;
    }

    struct DescribeTopicPartitionsResponseTopic<'a> {
        error_code: ErrorCode, 0+;
        name: Option<&'a str>, 0+, null 0+;
        topic_id: TopicId, 0+;
        is_internal: bool, 0+;
        partitions: Vec<DescribeTopicPartitionsResponsePartition>, 0+;
        topic_authorized_operations: i32, 0+, default OPERATIONS_NOT_ASKED;
    }

    struct DescribeTopicPartitionsResponsePartition {
        error_code: ErrorCode, 0+;
        partition_index: i32, 0+;
        leader_id: i32, 0+;
        leader_epoch: i32, 0+, default -1;
        replica_nodes: Vec<i32>, 0+;
        isr_nodes: Vec<i32>, 0+;
        eligible_leader_replicas: Option<Vec<i32>>, 0+, null 0+;
        last_known_elr: Option<Vec<i32>>, 0+, null 0+;
        offline_replicas: Vec<i32>, 0+;
    }
}

impl<'a> Refuse<'a> for DescribeTopicPartitions {
    fn refusal(
        request: &DescribeTopicPartitionsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> DescribeTopicPartitionsResponse<'a> {
        let refuse_topic = |topic: &TopicRequest<'a>| DescribeTopicPartitionsResponseTopic {
            error_code: error,
            name: Some(topic.name),
            ..Default::default()
        };
        DescribeTopicPartitionsResponse {
            topics: request.topics.iter().map(refuse_topic).collect(),
            ..Default::default()
        }
    }
}
