//! OffsetForLeaderEpoch: where a leader epoch ended, for followers (KIP-101) and for consumers that
//! look for truncation (KIP-320).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api OffsetForLeaderEpoch = 23, versions 2-4, flexible 4+;

    request OffsetForLeaderEpochRequest<'a> {
        replica_id: i32, 3+, default -2;
        topics: Vec<OffsetForLeaderTopic<'a>>, 0+;
    }

    response OffsetForLeaderEpochResponse<'a> {
        throttle_time_ms: i32, 2+;
        topics: Vec<OffsetForLeaderTopicResult<'a>>, 0+;
    }

    struct OffsetForLeaderTopic<'a> {
        topic: &'a str, 0+;
        partitions: Vec<OffsetForLeaderPartition>, 0+;
    }

    struct OffsetForLeaderPartition {
        partition: i32, 0+;
        current_leader_epoch: i32, 2+, default -1;
        leader_epoch: i32, 0+;
    }

    struct OffsetForLeaderTopicResult<'a> {
        topic: &'a str, 0+;
        partitions: Vec<EpochEndOffset>, 0+;
    }

    struct EpochEndOffset {
        error_code: ErrorCode, 0+;
        partition: i32, 0+;
        leader_epoch: i32, 1+, default -1;
        end_offset: i64, 0+, default -1;
    }
}

impl<'a> Refuse<'a> for OffsetForLeaderEpoch {
    fn refusal(
        request: &OffsetForLeaderEpochRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> OffsetForLeaderEpochResponse<'a> {
        let refuse_partition = |partition: &OffsetForLeaderPartition| EpochEndOffset {
            error_code: error,
            partition: partition.partition,
            ..Default::default()
        };
        let refuse_topic = |topic: &OffsetForLeaderTopic<'a>| OffsetForLeaderTopicResult {
            topic: topic.topic,
            partitions: topic.partitions.iter().map(refuse_partition).collect(),
        };
        OffsetForLeaderEpochResponse {
            topics: request.topics.iter().map(refuse_topic).collect(),
            ..Default::default()
        }
    }
}
