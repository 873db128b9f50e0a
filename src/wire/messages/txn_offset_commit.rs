//! TxnOffsetCommit: how far a group has read, once the transaction commits. Version 3 is fenced by the
//! group's generation (KIP-447), version 5 adds the group to the transaction itself (KIP-890), version 6
//! names topics by id (KIP-1319).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::Refuse;

message! {
    api TxnOffsetCommit = 28, versions 0-6, flexible 3+;

    request TxnOffsetCommitRequest<'a> {
        transactional_id: &'a str, 0+;
        group_id: &'a str, 0+;
        producer_id: i64, 0+;
        producer_epoch: i16, 0+;
        generation_id_or_member_epoch: i32, 3+, default -1;
        member_id: &'a str, 3+;
        group_instance_id: Option<&'a str>, 3+, null 3+;
        topics: Vec<TxnOffsetCommitRequestTopic<'a>>, 0+;
    }

    response TxnOffsetCommitResponse<'a> {
        throttle_time_ms: i32, 0+;
        topics: Vec<TxnOffsetCommitResponseTopic<'a>>, 0+;
    }

    struct TxnOffsetCommitRequestTopic<'a> {
        name: &'a str, 0-5;
        topic_id: TopicId, 6+;
        partitions: Vec<TxnOffsetCommitRequestPartition<'a>>, 0+;
    }

    struct TxnOffsetCommitRequestPartition<'a> {
        partition_index: i32, 0+;
        committed_offset: i64, 0+;
        committed_leader_epoch: i32, 2+, default -1;
        committed_metadata: Option<&'a str>, 0+, null 0+;
    }

    struct TxnOffsetCommitResponseTopic<'a> {
        name: &'a str, 0-5;
        topic_id: TopicId, 6+;
        partitions: Vec<TxnOffsetCommitResponsePartition>, 0+;
    }

    struct TxnOffsetCommitResponsePartition {
        partition_index: i32, 0+;
        error_code: ErrorCode, 0+;
    }
}

impl<'a> Refuse<'a> for TxnOffsetCommit {
    fn refusal(
        request: &TxnOffsetCommitRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> TxnOffsetCommitResponse<'a> {
        let refuse_partition = |partition: &TxnOffsetCommitRequestPartition<'_>| TxnOffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: error,
        };
        let refuse_topic = |topic: &TxnOffsetCommitRequestTopic<'a>| TxnOffsetCommitResponseTopic {
            name: topic.name,
            topic_id: topic.topic_id,
            partitions: topic.partitions.iter().map(refuse_partition).collect(),
        };
        TxnOffsetCommitResponse {
            topics: request.topics.iter().map(refuse_topic).collect(),
            ..Default::default()
        }
    }
}
