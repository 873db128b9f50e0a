//! AlterReplicaLogDirs: moves replicas between the data directories of one broker (KIP-113).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api AlterReplicaLogDirs = 34, versions 1-2, flexible 2+;

    request AlterReplicaLogDirsRequest<'a> {
        dirs: Vec<AlterReplicaLogDir<'a>>, 0+;
    }

    response AlterReplicaLogDirsResponse<'a> {
        throttle_time_ms: i32, 0+;
        results: Vec<AlterReplicaLogDirTopicResult<'a>>, 0+;
    }

    struct AlterReplicaLogDir<'a> {
        path: &'a str, 0+;
        topics: Vec<AlterReplicaLogDirTopic<'a>>, 0+;
    }

    struct AlterReplicaLogDirTopic<'a> {
        name: &'a str, 0+;
        partitions: Vec<i32>, 0+;
    }

    struct AlterReplicaLogDirTopicResult<'a> {
        topic_name: &'a str, 0+;
        partitions: Vec<AlterReplicaLogDirPartitionResult>, 0+;
    }

    struct AlterReplicaLogDirPartitionResult {
        partition_index: i32, 0+;
        error_code: ErrorCode, 0+;
    }
}

impl<'a> Refuse<'a> for AlterReplicaLogDirs {
    fn refusal(
        request: &AlterReplicaLogDirsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> AlterReplicaLogDirsResponse<'a> {
        let topics = request.dirs.iter().flat_map(|dir| &dir.topics);
        let results = topics.map(|topic| AlterReplicaLogDirTopicResult {
            topic_name: topic.name,
            partitions: topic
                .partitions
                .iter()
                .map(|&partition_index| AlterReplicaLogDirPartitionResult {
                    partition_index,
                    error_code: error,
                })
                .collect(),
        });
        AlterReplicaLogDirsResponse { results: results.collect(), ..Default::default() }
    }
}
