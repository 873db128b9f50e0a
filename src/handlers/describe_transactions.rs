//! DescribeTransactions: what their coordinators know of transactional ids (KIP-664).

use super::Cx;
use super::reply::Reply;
use crate::coordinator::txn::{Answer, Ask, Description};
use crate::model::error_code::ErrorCode;
use crate::wire::messages::describe_transactions::{
    DescribeTransactions, DescribeTransactionsRequest, DescribeTransactionsResponse, TopicData,
    TransactionState,
};

pub async fn handle(cx: &Cx<'_>, request: DescribeTransactionsRequest<'_>) -> Reply {
    let mut told = Vec::with_capacity(request.transactional_ids.len());
    for &transactional_id in &request.transactional_ids {
        told.push(match cx.transact(transactional_id, |_| Ask::Describe).await {
            Ok(Answer::Described(description)) => Ok(description),
            Ok(_) => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
            Err(code) => Err(code),
        });
    }
    let ids = request.transactional_ids.iter();
    let transaction_states = ids.zip(&told).map(|(&transactional_id, told)| match told {
        Ok(description) => described(transactional_id, description),
        Err(code) => TransactionState { transactional_id, error_code: *code, ..Default::default() },
    });
    let response = DescribeTransactionsResponse {
        transaction_states: transaction_states.collect(),
        ..Default::default()
    };
    cx.reply::<DescribeTransactions>(&response)
}

fn described<'a>(transactional_id: &'a str, description: &'a Description) -> TransactionState<'a> {
    let topics = description
        .partitions
        .iter()
        .map(|(topic, numbers)| TopicData { topic, partitions: numbers.iter().copied().collect() });
    TransactionState {
        error_code: ErrorCode::NONE,
        transactional_id,
        transaction_state: description.state.name(),
        transaction_timeout_ms: description.timeout_ms,
        transaction_start_time_ms: description.started_ms,
        producer_id: description.producer.id,
        producer_epoch: description.producer.epoch,
        topics: topics.collect(),
    }
}
