//! DescribeLogDirs: sizes on disk (KIP-113). Version 4 tells the volume's size (KIP-827), version 5
//! whether the directory takes no new partitions (KIP-1066).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api DescribeLogDirs = 35, versions 1-5, flexible 2+;

    request DescribeLogDirsRequest<'a> {
        topics: Option<Vec<DescribableLogDirTopic<'a>>>, 0+, null 0+;
    }

    response DescribeLogDirsResponse<'a> {
        throttle_time_ms: i32, 0+;
        error_code: ErrorCode, 3+;
        results: Vec<DescribeLogDirsResult<'a>>, 0+;
    }

    struct DescribableLogDirTopic<'a> {
        topic: &'a str, 0+;
        partitions: Vec<i32>, 0+;
    }

    struct DescribeLogDirsResult<'a> {
        error_code: ErrorCode, 0+;
        log_dir: &'a str, 0+;
        topics: Vec<DescribeLogDirsTopic<'a>>, 0+;
        total_bytes: i64, 4+, default -1;
        usable_bytes: i64, 4+, default -1;
        is_cordoned: bool, 5+;
    }

    struct DescribeLogDirsTopic<'a> {
        name: &'a str, 0+;
        partitions: Vec<DescribeLogDirsPartition>, 0+;
    }

    struct DescribeLogDirsPartition {
        partition_index: i32, 0+;
        partition_size: i64, 0+;
        offset_lag: i64, 0+;
        is_future_key: bool, 0+;
    }
}

impl<'a> Refuse<'a> for DescribeLogDirs {
    /// Before version 3 there is no place for an error: the answer is then just empty.
    fn refusal(
        _request: &DescribeLogDirsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> DescribeLogDirsResponse<'a> {
        DescribeLogDirsResponse { error_code: error, ..Default::default() }
    }
}
