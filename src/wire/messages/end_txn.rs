//! EndTxn: commits or aborts a transaction. Version 5 answers with the producer's next epoch (KIP-890).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api EndTxn = 26, versions 0-5, flexible 3+;

    request EndTxnRequest<'a> {
        transactional_id: &'a str, 0+;
        producer_id: i64, 0+;
        producer_epoch: i16, 0+;
        committed: bool, 0+;
    }

    response EndTxnResponse {
        throttle_time_ms: i32, 0+;
        error_code: ErrorCode, 0+;
        producer_id: i64, 5+, default -1;
        producer_epoch: i16, 5+, default -1;
    }
}

impl<'a> Refuse<'a> for EndTxn {
    fn refusal(
        _request: &EndTxnRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> EndTxnResponse {
        EndTxnResponse { error_code: error, ..Default::default() }
    }
}
