//! AddOffsetsToTxn: the partition that keeps a group's offsets becomes part of a transaction.

use super::Cx;
use super::reply::Reply;
use super::transactions::{partitions, producer};
use crate::coordinator::txn::{Ask, Level};
use crate::wire::messages::add_offsets_to_txn::{
    AddOffsetsToTxn, AddOffsetsToTxnRequest, AddOffsetsToTxnResponse,
};

/// PRODUCER_FENCED is known from here on.
const FENCED: i16 = 2;

pub async fn handle(cx: &Cx<'_>, request: AddOffsetsToTxnRequest<'_>) -> Reply {
    let producer = producer(request.producer_id, request.producer_epoch);
    let (topic, number) = cx.shard().offsets_of(request.group_id);
    let wanted = partitions([(topic, &[number][..])].into_iter());
    let ask = |_| Ask::Add { producer, partitions: wanted.clone(), level: Level::Zero };
    let added = cx.transact(request.transactional_id, ask).await;
    let error_code = added.err().map(|code| cx.fenced_since(FENCED, code)).unwrap_or_default();
    cx.reply::<AddOffsetsToTxn>(&AddOffsetsToTxnResponse { error_code, ..Default::default() })
}
