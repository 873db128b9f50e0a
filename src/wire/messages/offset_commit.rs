//! OffsetCommit: how far a group has read. Version 9 also takes members of groups of the new protocol
//! (KIP-848), version 10 names topics by id.

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::Refuse;

message! {
    api OffsetCommit = 8, versions 2-10, flexible 8+;

    request OffsetCommitRequest<'a> {
        group_id: &'a str, 0+;
        generation_id_or_member_epoch: i32, 1+, default -1;
        member_id: &'a str, 1+;
        group_instance_id: Option<&'a str>, 7+, null 7+;
        retention_time_ms: i64, 2-4, default -1;
        topics: Vec<OffsetCommitRequestTopic<'a>>, 0+;
    }

    response OffsetCommitResponse<'a> {
        throttle_time_ms: i32, 3+;
        topics: Vec<OffsetCommitResponseTopic<'a>>, 0+;
    }

    struct OffsetCommitRequestTopic<'a> {
        name: &'a str, 0-9;
        topic_id: TopicId, 10+;
        partitions: Vec<OffsetCommitRequestPartition<'a>>, 0+;
    }

    struct OffsetCommitRequestPartition<'a> {
        partition_index: i32, 0+;
        committed_offset: i64, 0+;
        committed_leader_epoch: i32, 6+, default -1;
        committed_metadata: Option<&'a str>, 0+, null 0+;
    }

    struct OffsetCommitResponseTopic<'a> {
        name: &'a str, 0-9;
        topic_id: TopicId, 10+;
        partitions: Vec<OffsetCommitResponsePartition>, 0+;
    }

    struct OffsetCommitResponsePartition {
        partition_index: i32, 0+;
        error_code: ErrorCode, 0+;
    }
}

impl<'a> Refuse<'a> for OffsetCommit {
    fn refusal(
        request: &OffsetCommitRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> OffsetCommitResponse<'a> {
        let refuse_partition = |partition: &OffsetCommitRequestPartition<'_>| OffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: error,
        };
        let refuse_topic = |topic: &OffsetCommitRequestTopic<'a>| OffsetCommitResponseTopic {
            name: topic.name,
            topic_id: topic.topic_id,
            partitions: topic.partitions.iter().map(refuse_partition).collect(),
        };
        OffsetCommitResponse {
            topics: request.topics.iter().map(refuse_topic).collect(),
            ..Default::default()
        }
    }
}
