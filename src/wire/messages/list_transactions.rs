//! ListTransactions: the transactions that this broker coordinates (KIP-664). Version 1 lists those that
//! have lasted long (KIP-994), version 2 those whose ids match a pattern (KIP-1152).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api ListTransactions = 66, versions 0-2, flexible 0+;

    request ListTransactionsRequest<'a> {
        state_filters: Vec<&'a str>, 0+;
        producer_id_filters: Vec<i64>, 0+;
        duration_filter: i64, 1+, default -1;
        transactional_id_pattern: Option<&'a str>, 2+, null 2+;
    }

    response ListTransactionsResponse<'a> {
        throttle_time_ms: i32, 0+;
        error_code: ErrorCode, 0+;
        unknown_state_filters: Vec<&'a str>, 0+;
        transaction_states: Vec<TransactionState<'a>>, 0+;
    }

    struct TransactionState<'a> {
        transactional_id: &'a str, 0+;
        producer_id: i64, 0+;
        transaction_state: &'a str, 0+;
    }
}

impl<'a> Refuse<'a> for ListTransactions {
    fn refusal(
        _request: &ListTransactionsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> ListTransactionsResponse<'a> {
        ListTransactionsResponse { error_code: error, ..Default::default() }
    }
}
