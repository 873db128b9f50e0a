//! InitProducerId: an id for an idempotent producer (KIP-98), or id and next epoch for a
//! transactional one, whose transaction under way is aborted first (KIP-360).

use super::Cx;
use super::reply::Reply;
use super::transactions::producer;
use crate::coordinator::txn::{Answer, Ask, Producer};
use crate::model::error_code::ErrorCode;
use crate::wire::messages::init_producer_id::{
    InitProducerId, InitProducerIdRequest, InitProducerIdResponse,
};

/// PRODUCER_FENCED is known from here on.
const FENCED: i16 = 4;

pub async fn handle(cx: &Cx<'_>, request: InitProducerIdRequest<'_>) -> Reply {
    let begun = match (request.producer_id, request.producer_epoch) {
        (-1, -1) => begin(cx, &request, None).await,
        // An id and its epoch go together.
        (-1, _) | (_, -1) => Err(ErrorCode::INVALID_REQUEST),
        (id, epoch) => begin(cx, &request, Some(producer(id, epoch))).await,
    };
    let response = match begun {
        Ok(producer) => InitProducerIdResponse {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            ..Default::default()
        },
        Err(code) => InitProducerIdResponse {
            error_code: cx.fenced_since(FENCED, code),
            producer_epoch: -1,
            ..Default::default()
        },
    };
    cx.reply::<InitProducerId>(&response)
}

async fn begin(
    cx: &Cx<'_>,
    request: &InitProducerIdRequest<'_>,
    expected: Option<Producer>,
) -> Result<Producer, ErrorCode> {
    let Some(transactional_id) = request.transactional_id else {
        // Without a transactional id nothing is kept about a producer: it always gets a new id,
        // whatever it says of an old one.
        return Ok(Producer { id: cx.shard().next_producer_id().await?, epoch: 0 });
    };
    let timeout_ms = request.transaction_timeout_ms;
    let allowed = 1..=cx.shard().config().transaction_max_timeout_ms;
    if !transactional_id.is_empty() && !allowed.contains(&timeout_ms) {
        return Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
    }
    let ask = |spare_id| Ask::Init { timeout_ms, expected, spare_id };
    match cx.transact(transactional_id, ask).await? {
        Answer::Producer(producer) => Ok(producer),
        _ => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
    }
}
