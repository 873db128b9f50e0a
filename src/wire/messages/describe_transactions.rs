//! DescribeTransactions: transactions and their partitions, from their coordinator (KIP-664).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api DescribeTransactions = 65, versions 0, flexible 0+;

    request DescribeTransactionsRequest<'a> {
        transactional_ids: Vec<&'a str>, 0+;
    }

    response DescribeTransactionsResponse<'a> {
        throttle_time_ms: i32, 0+;
        transaction_states: Vec<TransactionState<'a>>, 0+;
    }

    struct TransactionState<'a> {
        error_code: ErrorCode, 0+;
        transactional_id: &'a str, 0+;
        transaction_state: &'a str, 0+;
        transaction_timeout_ms: i32, 0+;
        transaction_start_time_ms: i64, 0+;
        producer_id: i64, 0+;
        producer_epoch: i16, 0+;
        topics: Vec<TopicData<'a>>, 0+;
    }

    struct TopicData<'a> {
        topic: &'a str, 0+;
        partitions: Vec<i32>, 0+;
    }
}

impl<'a> Refuse<'a> for DescribeTransactions {
    fn refusal(
        request: &DescribeTransactionsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> DescribeTransactionsResponse<'a> {
        let refuse = |&transactional_id: &&'a str| TransactionState {
            transactional_id,
            error_code: error,
            ..Default::default()
        };
        DescribeTransactionsResponse {
            transaction_states: request.transactional_ids.iter().map(refuse).collect(),
            ..Default::default()
        }
    }
}
