//! InitProducerId: an id for an idempotent producer (KIP-98), or its next epoch (KIP-360).
//! Transactional ids are refused: this broker does not coordinate transactions.

use super::Cx;
use super::reply::Reply;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::init_producer_id::{
    InitProducerId, InitProducerIdRequest, InitProducerIdResponse,
};

pub async fn handle(cx: &Cx<'_>, request: InitProducerIdRequest<'_>) -> Reply {
    let id_and_epoch = (request.producer_id >= 0, request.producer_epoch >= 0);
    let response = match request.transactional_id {
        // An id and its epoch go together.
        _ if matches!(id_and_epoch, (true, false) | (false, true)) => {
            refused(ErrorCode::INVALID_REQUEST)
        }
        // An empty transactional id is an error of its own in Kafka.
        Some("") => refused(ErrorCode::INVALID_REQUEST),
        Some(_) => refused(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        // Without a transactional id the broker keeps nothing about a producer: it always gets a
        // new id, whatever it says of an old one.
        None => match cx.next_producer_id().await {
            Ok(producer_id) => InitProducerIdResponse { producer_id, ..Default::default() },
            Err(error) => refused(error),
        },
    };
    cx.reply::<InitProducerId>(&response)
}

fn refused(error_code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() }
}
