//! ListOffsets: the offset that belongs to a time, or to one of the names below. Version 4 checks the
//! leader epoch, version 7 knows the largest timestamp (KIP-734), versions 8 to 11 tiered storage.

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

/// Asked for as a timestamp: the end of the log, as the isolation level sees it.
pub const LATEST: i64 = -1;
/// The log start offset.
pub const EARLIEST: i64 = -2;
/// The record with the largest timestamp (KIP-734).
pub const MAX_TIMESTAMP: i64 = -3;
/// The first offset that lies on the broker's own disk (KIP-405).
pub const EARLIEST_LOCAL: i64 = -4;
/// The last offset that lies in tiered storage (KIP-1005).
pub const LATEST_TIERED: i64 = -5;
/// The first offset that is not in tiered storage yet (KIP-1023).
pub const EARLIEST_PENDING_UPLOAD: i64 = -6;

message! {
    api ListOffsets = 2, versions 1-11, flexible 6+;

    request ListOffsetsRequest<'a> {
        replica_id: i32, 0+;
        isolation_level: i8, 2+;
        topics: Vec<ListOffsetsTopic<'a>>, 0+;
        timeout_ms: i32, 10+;
    }

    response ListOffsetsResponse<'a> {
        throttle_time_ms: i32, 2+;
        topics: Vec<ListOffsetsTopicResponse<'a>>, 0+;
    }

    struct ListOffsetsTopic<'a> {
        name: &'a str, 0+;
        partitions: Vec<ListOffsetsPartition>, 0+;
    }

    struct ListOffsetsPartition {
        partition_index: i32, 0+;
        current_leader_epoch: i32, 4+, default -1;
        timestamp: i64, 0+;
    }

    struct ListOffsetsTopicResponse<'a> {
        name: &'a str, 0+;
        partitions: Vec<ListOffsetsPartitionResponse>, 0+;
    }

    struct ListOffsetsPartitionResponse {
        partition_index: i32, 0+;
        error_code: ErrorCode, 0+;
        timestamp: i64, 1+, default -1;
        offset: i64, 1+, default -1;
        leader_epoch: i32, 4+, default -1;
    }
}

impl<'a> Refuse<'a> for ListOffsets {
    fn refusal(
        request: &ListOffsetsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> ListOffsetsResponse<'a> {
        let refuse_partition = |partition: &ListOffsetsPartition| ListOffsetsPartitionResponse {
            partition_index: partition.partition_index,
            error_code: error,
            ..Default::default()
        };
        let refuse_topic = |topic: &ListOffsetsTopic<'a>| ListOffsetsTopicResponse {
            name: topic.name,
            partitions: topic.partitions.iter().map(refuse_partition).collect(),
        };
        ListOffsetsResponse {
            topics: request.topics.iter().map(refuse_topic).collect(),
            ..Default::default()
        }
    }
}
