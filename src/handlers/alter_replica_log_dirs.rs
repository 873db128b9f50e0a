//! AlterReplicaLogDirs: moves partitions to other data directories of this host (KIP-113). Answered when
//! a move has begun; DescribeLogDirs tells how far it is. Every lane moves what lies on this host: some
//! clients ask the first broker that they know.

use std::path::Path;

use super::Cx;
use super::reply::Reply;
use super::topics::Queries;
use crate::log::names;
use crate::model::error_code::ErrorCode;
use crate::model::ids::{PartitionId, TopicId};
use crate::shard::query::Ask;
use crate::wire::messages::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirs,
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse,
};

/// `-<number>.<32 hex>-future` behind a topic's name must fit into the name of a file.
const FILE_NAME_BYTES_MAX: usize = 255;

pub async fn handle(cx: &Cx<'_>, request: AlterReplicaLogDirsRequest<'_>) -> Reply {
    let directories = cx.shard().directories();
    let mut queries = Queries::default();
    let mut wanted: Vec<(&str, i32)> = Vec::new();
    for dir in &request.dirs {
        let named = |name: &str| Path::new(name) == Path::new(dir.path);
        let to = directories.iter().find(|directory| named(&directory.name));
        for topic in &dir.topics {
            for &index in &topic.partitions {
                wanted.push((topic.name, index));
                let to = match to {
                    _ if is_too_long(topic.name, index) => Err(ErrorCode::INVALID_TOPIC_EXCEPTION),
                    None => Err(ErrorCode::LOG_DIR_NOT_FOUND),
                    Some(to) if to.is_lost() => Err(ErrorCode::KAFKA_STORAGE_ERROR),
                    Some(_) if !is_on_this_host(cx, topic.name, index) => {
                        Err(ErrorCode::REPLICA_NOT_AVAILABLE)
                    }
                    Some(to) => Ok(Ask::Move { directory: to.place }),
                };
                match to {
                    Ok(ask) => queries.add(cx, topic.name, TopicId::NIL, index, -1, ask),
                    Err(error) => queries.refuse(error),
                }
            }
        }
    }
    let answers = queries.ask(cx).await;
    let mut results: Vec<AlterReplicaLogDirTopicResult<'_>> = Vec::new();
    for ((topic_name, partition_index), answer) in wanted.into_iter().zip(answers) {
        let error_code = match answer.error {
            // It went elsewhere meanwhile: Kafka's word for that here.
            ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
                ErrorCode::REPLICA_NOT_AVAILABLE
            }
            code => code,
        };
        let part = AlterReplicaLogDirPartitionResult { partition_index, error_code };
        match results.iter_mut().find(|result| result.topic_name == topic_name) {
            Some(result) => result.partitions.push(part),
            None => {
                results.push(AlterReplicaLogDirTopicResult { topic_name, partitions: vec![part] });
            }
        }
    }
    let response = AlterReplicaLogDirsResponse { results, ..Default::default() };
    cx.reply::<AlterReplicaLogDirs>(&response)
}

fn is_too_long(topic: &str, index: i32) -> bool {
    let number = index.to_string();
    let behind = "-".len() + number.len() + ".".len() + 32 + names::FUTURE_DIR.len();
    topic.len() + behind > FILE_NAME_BYTES_MAX
}

fn is_on_this_host(cx: &Cx<'_>, topic: &str, index: i32) -> bool {
    let image = cx.shard().image();
    let partition = image.topic(topic).and_then(|topic| topic.partition(PartitionId(index)));
    partition.is_some_and(|partition| partition.core_on(cx.shard().node()).is_some())
}
