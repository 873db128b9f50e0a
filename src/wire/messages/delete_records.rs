//! DeleteRecords: moves a partition's log start offset up (KIP-107).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

/// Asked for as an offset: the high watermark.
pub const HIGH_WATERMARK: i64 = -1;

message! {
    api DeleteRecords = 21, versions 0-2, flexible 2+;

    request DeleteRecordsRequest<'a> {
        topics: Vec<DeleteRecordsTopic<'a>>, 0+;
        timeout_ms: i32, 0+;
    }

    response DeleteRecordsResponse<'a> {
        throttle_time_ms: i32, 0+;
        topics: Vec<DeleteRecordsTopicResult<'a>>, 0+;
    }

    struct DeleteRecordsTopic<'a> {
        name: &'a str, 0+;
        partitions: Vec<DeleteRecordsPartition>, 0+;
    }

    struct DeleteRecordsPartition {
        partition_index: i32, 0+;
        offset: i64, 0+;
    }

    struct DeleteRecordsTopicResult<'a> {
        name: &'a str, 0+;
        partitions: Vec<DeleteRecordsPartitionResult>, 0+;
    }

    struct DeleteRecordsPartitionResult {
        partition_index: i32, 0+;
        low_watermark: i64, 0+;
        error_code: ErrorCode, 0+;
    }
}

impl<'a> Refuse<'a> for DeleteRecords {
    fn refusal(
        request: &DeleteRecordsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> DeleteRecordsResponse<'a> {
        let refuse_partition = |partition: &DeleteRecordsPartition| DeleteRecordsPartitionResult {
            partition_index: partition.partition_index,
            low_watermark: -1,
            error_code: error,
        };
        let refuse_topic = |topic: &DeleteRecordsTopic<'a>| DeleteRecordsTopicResult {
            name: topic.name,
            partitions: topic.partitions.iter().map(refuse_partition).collect(),
        };
        DeleteRecordsResponse {
            topics: request.topics.iter().map(refuse_topic).collect(),
            ..Default::default()
        }
    }
}
