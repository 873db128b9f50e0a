//! DescribeProducers: who writes to a partition, and since which offset in a transaction (KIP-664).

use super::Cx;
use super::reply::Reply;
use super::topics::Queries;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::model::topic_name;
use crate::shard::query::{Answer, Ask, Told};
use crate::wire::messages::describe_producers::{
    DescribeProducers, DescribeProducersRequest, DescribeProducersResponse, PartitionResponse,
    ProducerState, TopicResponse,
};

pub async fn handle(cx: &Cx<'_>, request: DescribeProducersRequest<'_>) -> Reply {
    let mut queries = Queries::default();
    for topic in &request.topics {
        for &partition in &topic.partition_indexes {
            if topic_name::validate(topic.name).is_err() {
                queries.refuse(ErrorCode::INVALID_TOPIC_EXCEPTION);
            } else {
                queries.add(cx, topic.name, TopicId::NIL, partition, -1, Ask::Producers);
            }
        }
    }
    let mut answers = queries.ask(cx).await.into_iter();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partitions = topic.partition_indexes.iter().map(|&partition_index| {
            let Answer { error, told } = answers.next().unwrap_or_default();
            let mut out = PartitionResponse {
                partition_index,
                error_code: error,
                error_message: (error != ErrorCode::NONE).then(|| error.message()),
                ..Default::default()
            };
            if let Told::Producers(seen) = told {
                out.active_producers = seen
                    .into_iter()
                    .map(|seen| ProducerState {
                        producer_id: seen.producer_id,
                        producer_epoch: i32::from(seen.epoch),
                        last_sequence: seen.last_sequence,
                        last_timestamp: seen.last_timestamp,
                        coordinator_epoch: seen.coordinator_epoch,
                        current_txn_start_offset: seen.txn_first_offset,
                    })
                    .collect();
            }
            out
        });
        topics.push(TopicResponse { name: topic.name, partitions: partitions.collect() });
    }
    cx.reply::<DescribeProducers>(&DescribeProducersResponse { topics, ..Default::default() })
}
