//! AddOffsetsToTxn: a group's offsets become part of a transaction.

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api AddOffsetsToTxn = 25, versions 0-4, flexible 3+;

    request AddOffsetsToTxnRequest<'a> {
        transactional_id: &'a str, 0+;
        producer_id: i64, 0+;
        producer_epoch: i16, 0+;
        group_id: &'a str, 0+;
    }

    response AddOffsetsToTxnResponse {
        throttle_time_ms: i32, 0+;
        error_code: ErrorCode, 0+;
    }
}

impl<'a> Refuse<'a> for AddOffsetsToTxn {
    fn refusal(
        _request: &AddOffsetsToTxnRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> AddOffsetsToTxnResponse {
        AddOffsetsToTxnResponse { error_code: error, ..Default::default() }
    }
}
