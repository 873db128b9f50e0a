//! EndTxn: a transaction is committed or aborted. Answered when that is decided for good; its markers
//! follow. From version 5 the producer goes on with another epoch (KIP-890).

use super::Cx;
use super::reply::Reply;
use super::transactions::producer;
use crate::coordinator::txn::{Answer, Ask, Level, Producer};
use crate::wire::messages::end_txn::{EndTxn, EndTxnRequest, EndTxnResponse};

/// Each transaction has an epoch of its own.
const RAISES_EPOCH: i16 = 5;
/// PRODUCER_FENCED is known from here on.
const FENCED: i16 = 2;

pub async fn handle(cx: &Cx<'_>, request: EndTxnRequest<'_>) -> Reply {
    let producer = producer(request.producer_id, request.producer_epoch);
    let commit = request.committed;
    let level = if cx.version() >= RAISES_EPOCH { Level::Two } else { Level::Zero };
    let ask = |spare_id| Ask::End { producer, commit, level, spare_id };
    let mut response = EndTxnResponse::default();
    match cx.transact(request.transactional_id, ask).await {
        Ok(Answer::Producer(Producer { id, epoch })) => {
            response.producer_id = id;
            response.producer_epoch = epoch;
        }
        Ok(_) => {}
        Err(code) => response.error_code = cx.fenced_since(FENCED, code),
    }
    cx.reply::<EndTxn>(&response)
}
