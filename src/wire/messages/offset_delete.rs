//! OffsetDelete: forgets what a group committed for partitions that it does not read (KIP-496).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api OffsetDelete = 47, versions 0;

    request OffsetDeleteRequest<'a> {
        group_id: &'a str, 0+;
        topics: Vec<OffsetDeleteRequestTopic<'a>>, 0+;
    }

    response OffsetDeleteResponse<'a> {
        error_code: ErrorCode, 0+;
        throttle_time_ms: i32, 0+;
        topics: Vec<OffsetDeleteResponseTopic<'a>>, 0+;
    }

    struct OffsetDeleteRequestTopic<'a> {
        name: &'a str, 0+;
        partitions: Vec<OffsetDeleteRequestPartition>, 0+;
    }

    struct OffsetDeleteRequestPartition {
        partition_index: i32, 0+;
    }

    struct OffsetDeleteResponseTopic<'a> {
        name: &'a str, 0+;
        partitions: Vec<OffsetDeleteResponsePartition>, 0+;
    }

    struct OffsetDeleteResponsePartition {
        partition_index: i32, 0+;
        error_code: ErrorCode, 0+;
    }
}

impl<'a> Refuse<'a> for OffsetDelete {
    fn refusal(
        _request: &OffsetDeleteRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> OffsetDeleteResponse<'a> {
        OffsetDeleteResponse { error_code: error, ..Default::default() }
    }
}
