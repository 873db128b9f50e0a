//! DescribeLogDirs: what lies in each data directory, what is on its way there, and how much room is
//! left (KIP-113, KIP-827). A directory that does not work any more is told as an error.

use super::Cx;
use super::reply::Reply;
use super::topics::Queries;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::rt::file;
use crate::shard::directories::Directory;
use crate::shard::query::{Ask, Told};
use crate::wire::messages::describe_log_dirs::{
    DescribeLogDirs, DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};

/// Every lane is asked for the whole host's directories by an administrator's tool, so each answers
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
    let directories = cx.shard().directories();
    let mut results = Vec::with_capacity(directories.len());
    for directory in directories.iter() {
        results.push(describe(directory).await);
    }
    for ((name, index), answer) in wanted.into_iter().zip(answers) {
        let Told::Size(sizes) = answer.told else { continue };
        let part = DescribeLogDirsPartition {
            partition_index: index,
            partition_size: sizes.bytes as i64,
            ..Default::default()
        };
        enter(&mut results[sizes.directory], name, part);
        if let Some(future) = sizes.future {
            let part = DescribeLogDirsPartition {
                partition_index: index,
                partition_size: future.bytes as i64,
                offset_lag: future.lag,
                is_future_key: true,
            };
            enter(&mut results[future.directory], name, part);
        }
    }
    let response = DescribeLogDirsResponse { results, ..Default::default() };
    cx.reply::<DescribeLogDirs>(&response)
}

async fn describe(directory: &Directory) -> DescribeLogDirsResult<'_> {
    let log_dir = &*directory.name;
    let mut result = DescribeLogDirsResult { log_dir, ..Default::default() };
    let space = match directory.is_lost() {
        true => None,
        false => file::disk_space(&directory.path).await.ok(),
    };
    match space {
        Some((usable, total)) => {
            result.usable_bytes = usable as i64;
            result.total_bytes = total as i64;
        }
        None => result.error_code = ErrorCode::KAFKA_STORAGE_ERROR,
    }
    result
}

/// Not where Kafka tells nothing but the error.
fn enter<'a>(
    result: &mut DescribeLogDirsResult<'a>,
    name: &'a str,
    part: DescribeLogDirsPartition,
) {
    if result.error_code != ErrorCode::NONE {
        return;
    }
    match result.topics.last_mut().filter(|topic| topic.name == name) {
        Some(topic) => topic.partitions.push(part),
        None => result.topics.push(DescribeLogDirsTopic { name, partitions: vec![part] }),
    }
}
