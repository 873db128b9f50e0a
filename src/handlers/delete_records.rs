//! DeleteRecords: moves the start of logs (KIP-107).

use super::Cx;
use super::reply::Reply;
use super::topics::Queries;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::shard::query::{Answer, Ask, Told};
use crate::wire::messages::delete_records::{
    DeleteRecords, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};

pub async fn handle(cx: &Cx<'_>, request: DeleteRecordsRequest<'_>) -> Reply {
    let mut queries = Queries::default();
    for topic in &request.topics {
        let known = cx.shard().topic(topic.name);
        for partition in &topic.partitions {
            if known.as_ref().is_some_and(|topic| topic.internal) {
                queries.refuse(ErrorCode::INVALID_TOPIC_EXCEPTION);
                continue;
            }
            if known.as_ref().is_some_and(|topic| !topic.deletes) {
                // A log that is only compacted has no records to lose from its start.
                queries.refuse(ErrorCode::POLICY_VIOLATION);
                continue;
            }
            let ask = Ask::DeleteBefore { offset: partition.offset };
            queries.add(cx, topic.name, TopicId::NIL, partition.partition_index, -1, ask);
        }
    }
    let mut answers = queries.ask(cx).await.into_iter();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partitions = topic.partitions.iter().map(|partition| {
            let Answer { error, told } = answers.next().unwrap_or_default();
            DeleteRecordsPartitionResult {
                partition_index: partition.partition_index,
                low_watermark: if let Told::Start(start) = told { start } else { -1 },
                error_code: error,
            }
        });
        topics
            .push(DeleteRecordsTopicResult { name: topic.name, partitions: partitions.collect() });
    }
    cx.reply::<DeleteRecords>(&DeleteRecordsResponse { topics, ..Default::default() })
}
