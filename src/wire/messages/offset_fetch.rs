//! OffsetFetch: what a group has committed. Version 2 asks for everything with null (KIP-88), version 7
//! can wait for open transactions (KIP-447), version 8 asks for several groups (KIP-709), version 10
//! names topics by id (KIP-848).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::Refuse;

message! {
    api OffsetFetch = 9, versions 1-10, flexible 6+;

    request OffsetFetchRequest<'a> {
        group_id: &'a str, 0-7;
        topics: Option<Vec<OffsetFetchRequestTopic<'a>>>, 0-7, null 2+;
        groups: Vec<OffsetFetchRequestGroup<'a>>, 8+;
        require_stable: bool, 7+;
    }

    response OffsetFetchResponse<'a> {
        throttle_time_ms: i32, 3+;
        topics: Vec<OffsetFetchResponseTopic<'a>>, 0-7;
        error_code: ErrorCode, 2-7;
        groups: Vec<OffsetFetchResponseGroup<'a>>, 8+;
    }

    struct OffsetFetchRequestTopic<'a> {
        name: &'a str, 0-7;
        partition_indexes: Vec<i32>, 0-7;
    }

    struct OffsetFetchRequestGroup<'a> {
        group_id: &'a str, 8+;
        member_id: Option<&'a str>, 9+, null 9+;
        member_epoch: i32, 9+, default -1;
        topics: Option<Vec<OffsetFetchRequestTopics<'a>>>, 8+, null 8+;
    }

    struct OffsetFetchRequestTopics<'a> {
        name: &'a str, 8-9;
        topic_id: TopicId, 10+;
        partition_indexes: Vec<i32>, 8+;
    }

    struct OffsetFetchResponseTopic<'a> {
        name: &'a str, 0-7;
        partitions: Vec<OffsetFetchResponsePartition<'a>>, 0-7;
    }

    struct OffsetFetchResponsePartition<'a> {
        partition_index: i32, 0-7;
        committed_offset: i64, 0-7;
        committed_leader_epoch: i32, 5-7, default -1;
        metadata: Option<&'a str>, 0-7, null 0+;
        error_code: ErrorCode, 0-7;
    }

    struct OffsetFetchResponseGroup<'a> {
        group_id: &'a str, 8+;
        topics: Vec<OffsetFetchResponseTopics<'a>>, 8+;
        error_code: ErrorCode, 8+;
    }

    struct OffsetFetchResponseTopics<'a> {
        name: &'a str, 8-9;
        topic_id: TopicId, 10+;
        partitions: Vec<OffsetFetchResponsePartitions<'a>>, 8+;
    }

    struct OffsetFetchResponsePartitions<'a> {
        partition_index: i32, 8+;
        committed_offset: i64, 8+;
        committed_leader_epoch: i32, 8+, default -1;
        metadata: Option<&'a str>, 8+, null 8+;
        error_code: ErrorCode, 8+;
    }
}

impl<'a> Refuse<'a> for OffsetFetch {
    /// Before version 2 only the partitions have a place for an error.
    fn refusal(
        request: &OffsetFetchRequest<'a>,
        version: i16,
        error: ErrorCode,
    ) -> OffsetFetchResponse<'a> {
        let refuse_partition = |&index: &i32| OffsetFetchResponsePartition {
            partition_index: index,
            committed_offset: -1,
            committed_leader_epoch: -1,
            metadata: Some(""),
            error_code: error,
        };
        let refuse_topic = |topic: &OffsetFetchRequestTopic<'a>| OffsetFetchResponseTopic {
            name: topic.name,
            partitions: topic.partition_indexes.iter().map(refuse_partition).collect(),
        };
        let refuse_group = |group: &OffsetFetchRequestGroup<'a>| OffsetFetchResponseGroup {
            group_id: group.group_id,
            topics: Vec::new(),
            error_code: error,
        };
        let topics = if version < 2 { request.topics.as_deref() } else { None };
        OffsetFetchResponse {
            topics: topics.unwrap_or_default().iter().map(refuse_topic).collect(),
            error_code: error,
            groups: request.groups.iter().map(refuse_group).collect(),
            ..Default::default()
        }
    }
}
