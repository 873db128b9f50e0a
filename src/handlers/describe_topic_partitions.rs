//! DescribeTopicPartitions: topics a page at a time, in the order of their names (KIP-966).

use super::Cx;
use super::metadata::TOPIC_OPERATIONS;
use super::replicas::Replicas;
use super::reply::Reply;
use crate::cluster::image::ClusterImage;
use crate::model::error_code::ErrorCode;
use crate::model::topic_name;
use crate::shard::Shard;
use crate::wire::messages::Refuse;
use crate::wire::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitions, DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};

pub async fn handle(cx: &Cx<'_>, request: DescribeTopicPartitionsRequest<'_>) -> Reply {
    let image = cx.shard().image();
    let mut names: Vec<&str> = if request.topics.is_empty() {
        image.topics().map(|topic| &*topic.name).collect()
    } else {
        request.topics.iter().map(|topic| topic.name).collect()
    };
    names.sort_unstable();
    names.dedup();
    let start = request.cursor.as_ref();
    if let Some(cursor) = start {
        let listed = request.topics.is_empty() || names.binary_search(&cursor.topic_name).is_ok();
        if !listed || cursor.partition_index < 0 {
            let error = ErrorCode::INVALID_REQUEST;
            let refused = DescribeTopicPartitions::refusal(&request, cx.version(), error);
            return cx.reply::<DescribeTopicPartitions>(&refused);
        }
        names.retain(|name| *name >= cursor.topic_name);
    }
    let most = cx.shard().config().max_request_partition_size_limit;
    let limit = request.response_partition_limit.clamp(1, most) as usize;
    let mut left = limit;
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names {
        if left == 0 {
            response.next_cursor = Some(Cursor { topic_name: name, partition_index: 0 });
            break;
        }
        let first = match start {
            Some(cursor) if cursor.topic_name == name => cursor.partition_index as usize,
            _ => 0,
        };
        let (topic, next) = describe(cx.shard(), &image, name, first, left);
        left -= topic.partitions.len();
        response.topics.push(topic);
        if let Some(next) = next {
            response.next_cursor = Some(Cursor { topic_name: name, partition_index: next as i32 });
            break;
        }
    }
    cx.reply::<DescribeTopicPartitions>(&response)
}

/// A topic's partitions from `first` on, at most `most`, and where to go on.
fn describe<'a>(
    shard: &Shard,
    image: &'a ClusterImage,
    name: &'a str,
    first: usize,
    most: usize,
) -> (DescribeTopicPartitionsResponseTopic<'a>, Option<usize>) {
    let Some(topic) = image.topic(name) else {
        let error_code = match topic_name::validate(name) {
            Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Err(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
        };
        let missing = DescribeTopicPartitionsResponseTopic {
            error_code,
            name: Some(name),
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..Default::default()
        };
        return (missing, None);
    };
    let page = (0..topic.partitions.len()).skip(first).take(most);
    let partitions = page.map(|index| {
        let replicas = Replicas::of(shard, image, topic, index);
        DescribeTopicPartitionsResponsePartition {
            error_code: replicas.error,
            partition_index: index as i32,
            leader_id: replicas.leader,
            leader_epoch: replicas.leader_epoch,
            replica_nodes: replicas.all,
            isr_nodes: replicas.in_sync,
            // Null would mean "not known", which Java's admin client does not expect.
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(replicas.offline.clone()),
            offline_replicas: replicas.offline,
        }
    });
    let described = DescribeTopicPartitionsResponseTopic {
        name: Some(&topic.name),
        topic_id: topic.id,
        is_internal: topic_name::is_internal(&topic.name),
        partitions: partitions.collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..Default::default()
    };
    let end = first + described.partitions.len();
    (described, (end < topic.partitions.len()).then_some(end))
}
