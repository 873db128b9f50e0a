//! ListOffsets: the offset of a time, or of the log's ends.

use super::Cx;
use super::reply::Reply;
use super::topics::{Queries, committed_only};
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::shard::query::{Answer, Ask, Told};
use crate::wire::messages::Refuse;
use crate::wire::messages::list_offsets::{
    ListOffsets, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};

/// Special timestamps and the version that brought them: max timestamp (KIP-734), local log start
/// (KIP-405), latest tiered (KIP-1005), earliest pending upload (KIP-1023).
const SPECIAL_SINCE: [(i64, i16); 4] = [(-3, 7), (-4, 8), (-5, 9), (-6, 11)];

pub async fn handle(cx: &Cx<'_>, request: ListOffsetsRequest<'_>) -> Reply {
    let version = cx.version();
    let Some(committed_only) = committed_only(request.isolation_level) else {
        let error = ErrorCode::INVALID_REQUEST;
        return cx.reply::<ListOffsets>(&ListOffsets::refusal(&request, version, error));
    };
    let mut queries = Queries::default();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let timestamp_ms = partition.timestamp;
            let since = SPECIAL_SINCE.iter().find(|(special, _)| *special == timestamp_ms);
            if timestamp_ms < -6 || since.is_some_and(|&(_, since)| version < since) {
                queries.refuse(ErrorCode::UNSUPPORTED_VERSION);
                continue;
            }
            let ask = Ask::OffsetAt { timestamp_ms, committed_only };
            let epoch = partition.current_leader_epoch;
            queries.add(cx, topic.name, TopicId::NIL, partition.partition_index, epoch, ask);
        }
    }
    let mut answers = queries.ask(cx).await.into_iter();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partitions = topic.partitions.iter().map(|partition| {
            let Answer { error, told } = answers.next().unwrap_or_default();
            let mut out = ListOffsetsPartitionResponse {
                partition_index: partition.partition_index,
                error_code: error,
                ..Default::default()
            };
            if let Told::Offset { offset, timestamp_ms, leader_epoch } = told {
                out.offset = offset;
                out.timestamp = timestamp_ms;
                out.leader_epoch = leader_epoch;
            }
            out
        });
        topics
            .push(ListOffsetsTopicResponse { name: topic.name, partitions: partitions.collect() });
    }
    cx.reply::<ListOffsets>(&ListOffsetsResponse { topics, ..Default::default() })
}
