//! AddPartitionsToTxn: partitions become part of a transaction, which begins with the first of them.
//! From version 4 several transactions at once, or only whether the partitions are in them (KIP-890).

use std::collections::BTreeSet;

use super::Cx;
use super::reply::Reply;
use super::transactions::{partitions, producer};
use crate::coordinator::txn::{Answer, Ask, Level, Partitions};
use crate::model::error_code::ErrorCode;
use crate::wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxn, AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse, AddPartitionsToTxnResult, AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult, AddPartitionsToTxnTransaction,
};

/// Brokers speak these versions.
const BATCHED: i16 = 4;
/// PRODUCER_FENCED is known from here on.
const FENCED: i16 = 2;

pub async fn handle(cx: &Cx<'_>, request: AddPartitionsToTxnRequest<'_>) -> Reply {
    let mut response = AddPartitionsToTxnResponse::default();
    if cx.version() >= BATCHED {
        for transaction in &request.transactions {
            response.results_by_transaction.push(AddPartitionsToTxnResult {
                transactional_id: transaction.transactional_id,
                topic_results: add(cx, transaction).await,
            });
        }
    } else {
        let transaction = AddPartitionsToTxnTransaction {
            transactional_id: request.v3_and_below_transactional_id,
            producer_id: request.v3_and_below_producer_id,
            producer_epoch: request.v3_and_below_producer_epoch,
            verify_only: false,
            topics: request.v3_and_below_topics,
        };
        response.results_by_topic_v3_and_below = add(cx, &transaction).await;
    }
    cx.reply::<AddPartitionsToTxn>(&response)
}

async fn add<'a>(
    cx: &Cx<'_>,
    transaction: &AddPartitionsToTxnTransaction<'a>,
) -> Vec<AddPartitionsToTxnTopicResult<'a>> {
    let topics = &transaction.topics;
    let unfit: BTreeSet<(&str, i32)> = topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|&number| (topic.name, number)))
        .filter(|&(name, number)| refusal(cx, name, number).is_some())
        .collect();
    if !unfit.is_empty() {
        // All or nothing.
        return results(topics, |name, number| {
            refusal(cx, name, number).unwrap_or(ErrorCode::OPERATION_NOT_ATTEMPTED)
        });
    }
    let producer = producer(transaction.producer_id, transaction.producer_epoch);
    let wanted = partitions(topics.iter().map(|topic| (topic.name, &topic.partitions[..])));
    let level = if cx.version() >= BATCHED { Level::Two } else { Level::Zero };
    let ask = |_| match transaction.verify_only {
        true => Ask::Verify { producer, partitions: wanted.clone() },
        false => Ask::Add { producer, partitions: wanted.clone(), level },
    };
    let (code, missing) = match cx.transact(transaction.transactional_id, ask).await {
        Ok(Answer::Verified { missing }) => (ErrorCode::NONE, missing),
        Ok(_) => (ErrorCode::NONE, Partitions::new()),
        Err(code) => (cx.fenced_since(FENCED, code), Partitions::new()),
    };
    results(topics, |name, number| match missing.get(name) {
        Some(numbers) if numbers.contains(&number) => ErrorCode::TRANSACTION_ABORTABLE,
        _ => code,
    })
}

fn refusal(cx: &Cx<'_>, name: &str, number: i32) -> Option<ErrorCode> {
    let Some(topic) = cx.shard().topic(name) else {
        let internal = crate::model::topic_name::is_internal(name) && cx.version() < BATCHED;
        return Some(match internal {
            true => ErrorCode::TOPIC_AUTHORIZATION_FAILED,
            false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        });
    };
    if topic.internal && cx.version() < BATCHED {
        // Clients write nothing there.
        return Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    }
    topic.partition(number).is_none().then_some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

fn results<'a>(
    topics: &[AddPartitionsToTxnTopic<'a>],
    code: impl Fn(&str, i32) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult<'a>> {
    let of_topic = |topic: &AddPartitionsToTxnTopic<'a>| AddPartitionsToTxnTopicResult {
        name: topic.name,
        results_by_partition: topic
            .partitions
            .iter()
            .map(|&partition_index| AddPartitionsToTxnPartitionResult {
                partition_index,
                partition_error_code: code(topic.name, partition_index),
            })
            .collect(),
    };
    topics.iter().map(of_topic).collect()
}
