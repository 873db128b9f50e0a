//! InitProducerId: an id and an epoch for an idempotent or transactional producer. Version 3 lets the
//! producer name the ones it has (KIP-360). Version 6 (KIP-939) is not stable in Kafka 4.4 and not
//! spoken here.

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api InitProducerId = 22, versions 0-5, flexible 2+;

    request InitProducerIdRequest<'a> {
        transactional_id: Option<&'a str>, 0+, null 0+;
        transaction_timeout_ms: i32, 0+;
        producer_id: i64, 3+, default -1;
        producer_epoch: i16, 3+, default -1;
    }

    response InitProducerIdResponse {
        throttle_time_ms: i32, 0+;
        error_code: ErrorCode, 0+;
        producer_id: i64, 0+, default -1;
        producer_epoch: i16, 0+;
    }
}

impl<'a> Refuse<'a> for InitProducerId {
    fn refusal(
        _request: &InitProducerIdRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> InitProducerIdResponse {
        InitProducerIdResponse { error_code: error, producer_epoch: -1, ..Default::default() }
    }
}
