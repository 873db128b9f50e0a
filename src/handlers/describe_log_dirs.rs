//! DescribeLogDirs: what lies in the data directory, and how much room is left (KIP-113, KIP-827).

use std::path::Path;

use super::Cx;
use super::reply::Reply;
use super::topics::Queries;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::rt::file;
use crate::shard::query::{Ask, Told};
use crate::wire::messages::describe_log_dirs::{
    DescribeLogDirs, DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};

/// Every lane is asked for the whole host's directory by an administrator's tool, so each answers
/// only for the partitions of its own cores: their sum is the host.
pub async fn handle(cx: &Cx<'_>, request: DescribeLogDirsRequest<'_>) -> Reply {
    let image = cx.shard().image();
    let mine = cx.broker_id();
    let mut wanted: Vec<(&str, i32)> = Vec::new();
    let in_this_lane = |name: &str, index: i32| {
        let topic = image.topic(name)?;
        let partition = topic.partitions.get(usize::try_from(index).ok()?)?;
        (image.leader_broker(partition) == Some(mine)).then_some(())
    };
    match &request.topics {
        None => {
            for topic in image.topics() {
                let indices = 0..topic.partitions.len() as i32;
                wanted.extend(indices.map(|index| (&*topic.name, index)));
            }
        }
        Some(topics) => {
            for topic in topics {
                wanted.extend(topic.partitions.iter().map(|&index| (topic.topic, index)));
            }
        }
    }
    wanted.retain(|&(name, index)| in_this_lane(name, index).is_some());
    let mut queries = Queries::default();
    for &(name, index) in &wanted {
        queries.add(cx, name, TopicId::NIL, index, -1, Ask::Size);
    }
    let answers = queries.ask(cx).await;
    let dir = cx.shard().data_dir().to_string_lossy().into_owned();
    let mut result = DescribeLogDirsResult { log_dir: &dir, ..Default::default() };
    match file::disk_space(Path::new(&dir)).await {
        Ok((usable, total)) => {
            result.usable_bytes = usable as i64;
            result.total_bytes = total as i64;
        }
        Err(_) => result.error_code = ErrorCode::KAFKA_STORAGE_ERROR,
    }
    for ((name, index), answer) in wanted.into_iter().zip(answers) {
        let Told::Size(bytes) = answer.told else { continue };
        let part = DescribeLogDirsPartition {
            partition_index: index,
            partition_size: bytes as i64,
            ..Default::default()
        };
        match result.topics.last_mut().filter(|topic| topic.name == name) {
            Some(topic) => topic.partitions.push(part),
            None => result.topics.push(DescribeLogDirsTopic { name, partitions: vec![part] }),
        }
    }
    let response = DescribeLogDirsResponse { results: vec![result], ..Default::default() };
    cx.reply::<DescribeLogDirs>(&response)
}
