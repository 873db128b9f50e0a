//! The ends of transactions, written into the logs of their partitions, wherever those live.
//!
//! A marker is told as written when it is as safe as its partition's level says, and never sooner:
//! the coordinator forgets the partition then.

use std::rc::Rc;

use super::Shard;
use super::coordinators::TransactionEnd;
use super::message::{Reply, Request};
use super::partition::Partition;
use crate::base::signal::Signal;
use crate::coordinator::Writer;
use crate::coordinator::group::Groups;
use crate::model::ErrorCode;
use crate::model::ids::{PartitionId, TopicId};
use crate::rt;
use crate::shard::coordinators::Coordinated;
use crate::wire::record::{BatchBuilder, BatchFields};

/// How a producer's transaction ends, and where that is to be written.
#[derive(Clone, Debug)]
pub struct MarkOrder {
    pub writer: Writer,
    pub commit: bool,
    pub coordinator_epoch: i32,
    /// The level of `transaction.version` whose rules hold for the epoch.
    pub txn_version: i16,
    pub places: Vec<(TopicId, PartitionId)>,
}

/// A batch of one control record.
///
/// ```text
/// key:   version i16 | type i16 (0 abort, 1 commit)
/// value: version i16 | coordinator epoch i32
/// ```
pub fn batch(order: &MarkOrder, unix_ms: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchFields {
        transactional: true,
        control: true,
        producer_id: order.writer.producer_id,
        producer_epoch: order.writer.epoch,
        ..BatchFields::default()
    });
    let key = [0, 0, 0, u8::from(order.commit)];
    let mut value = [0; 6];
    value[2..].copy_from_slice(&order.coordinator_epoch.to_be_bytes());
    builder.push(unix_ms, Some(&key), Some(&value), &[]);
    builder.finish()
}

impl Shard {
    /// Writes the markers on the cores that own the partitions; a code for each place, in order.
    pub async fn mark(self: &Rc<Self>, order: &MarkOrder) -> Vec<ErrorCode> {
        let mut codes = vec![ErrorCode::UNKNOWN_TOPIC_OR_PARTITION; order.places.len()];
        let mut of_core: Vec<Vec<usize>> = vec![Vec::new(); self.cores()];
        for (index, &(topic, partition)) in order.places.iter().enumerate() {
            let topic = self.topic_by_id(topic);
            let place = topic.as_ref().and_then(|topic| topic.partition(partition.0));
            if let Some(indices) = place.and_then(|place| of_core.get_mut(place.core)) {
                indices.push(index);
            }
        }
        let mut pending = Vec::new();
        let mut here = Vec::new();
        for (core, indices) in of_core.into_iter().enumerate() {
            if indices.is_empty() {
                continue;
            }
            let places = indices.iter().map(|&index| order.places[index]).collect();
            let part = MarkOrder { places, ..order.clone() };
            if core == self.core() {
                here.push((indices, part));
            } else {
                pending.push((indices, self.call(core, Request::Mark(Box::new(part)))));
            }
        }
        for (indices, part) in here {
            for (index, code) in indices.into_iter().zip(self.mark_here(&part).await) {
                codes[index] = code;
            }
        }
        for (indices, reply) in pending {
            let told = match reply.await {
                Some(Reply::Marked(told)) => told,
                _ => vec![ErrorCode::NOT_LEADER_OR_FOLLOWER; indices.len()],
            };
            for (index, code) in indices.into_iter().zip(told) {
                codes[index] = code;
            }
        }
        codes
    }

    /// Appends all of them first, so that their syncs go together.
    pub(super) async fn mark_here(self: &Rc<Self>, order: &MarkOrder) -> Vec<ErrorCode> {
        let marker = batch(order, rt::unix_ms());
        let mut begun = Vec::with_capacity(order.places.len());
        for &(topic, partition) in &order.places {
            begun.push(match self.partition(topic, partition) {
                None => Begun::Failed(ErrorCode::NOT_LEADER_OR_FOLLOWER),
                Some(partition) if *partition.name == *Groups::TOPIC => {
                    // The group's coordinator learns of it in the order of its log.
                    let (shard, index) = (self.clone(), partition.index);
                    let (marker, order) = (marker.clone(), order.clone());
                    let MarkOrder { txn_version, writer, commit, .. } = order;
                    let end = TransactionEnd { marker, txn_version, writer, commit };
                    let told =
                        async move { shard.end_transaction_here::<Groups>(index, &end).await };
                    Begun::Told(rt::spawn(told))
                }
                Some(partition) => match partition.append_marker(&marker, order.txn_version) {
                    Ok(end) => Begun::Appended(partition, end),
                    Err(code) => Begun::Failed(code),
                },
            });
        }
        let mut codes = Vec::with_capacity(begun.len());
        for begun in begun {
            codes.push(match begun {
                Begun::Appended(partition, end) => partition.safe(end).await,
                Begun::Told(told) => told.await.err().unwrap_or(ErrorCode::NONE),
                Begun::Failed(code) => code,
            });
        }
        codes
    }
}

/// A marker on its way to the device.
enum Begun {
    Appended(Rc<Partition>, i64),
    Told(rt::Task<Result<(), ErrorCode>>),
    Failed(ErrorCode),
}

impl Partition {
    /// Waits until everything below `end` is as safe as the topic's level says.
    pub async fn safe(self: &Rc<Self>, end: i64) -> ErrorCode {
        let progress = Rc::new(Signal::default());
        loop {
            // Before the look, so that nothing slips between.
            self.watch(&progress);
            if self.high_watermark() >= end {
                return ErrorCode::NONE;
            }
            if self.log().failure().is_some() {
                return ErrorCode::KAFKA_STORAGE_ERROR;
            }
            progress.wait().await;
        }
    }
}
