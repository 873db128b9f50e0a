//! Who writes to a partition: duplicates, gaps, zombies, and transactions that are still open.
//! One table a partition, owned by the partition's core. Pure: `check` decides, `apply` records
//! what was appended, and recovery records the same batches through the same `apply`.
//!
//! Rules: KIP-98 (idempotence), KIP-360 (an unknown producer may begin at any sequence), KIP-890
//! (markers carry a raised epoch).

mod snapshot;
mod verification;
mod window;

use std::collections::BTreeMap;

use crate::base::planted;
use crate::model::Offset;

pub use snapshot::{BadSnapshot, decode, encode};
pub use verification::{Guard, Verifications};
pub use window::{NO_EPOCH, Producer, Remembered, WINDOW, sequence_after};

/// Where a batch comes from, which says how much of it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A producer: everything is checked, control batches are refused.
    Client,
    /// A coordinator of this broker: epochs are checked, sequences are not; markers are allowed.
    Coordinator,
    /// The partition's leader, which has checked: nothing is refused, offsets are kept.
    Leader,
}

/// What a batch of an idempotent producer says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub producer_id: i64,
    pub epoch: i16,
    pub base_sequence: i32,
    pub last_sequence: i32,
    pub transactional: bool,
}

/// The end of a transaction, as its marker says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    pub producer_id: i64,
    pub epoch: i16,
    pub coordinator_epoch: i32,
    pub commit: bool,
    /// In ms.
    pub timestamp: i64,
    /// KIP-890: 2 demands an epoch above the producer's; 0 where it is not known.
    pub txn_version: i16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Append,
    /// Appended before: the answer is what it was then.
    Duplicate(Remembered),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// OUT_OF_ORDER_SEQUENCE_NUMBER
    OutOfOrder,
    /// INVALID_PRODUCER_EPOCH
    StaleEpoch,
    /// INVALID_TXN_STATE: a plain batch while this producer's transaction is open.
    TransactionOpen,
    /// INVALID_TXN_STATE: the first batch of a transaction that nobody has vouched for.
    NotVerified,
    /// TRANSACTION_COORDINATOR_FENCED
    CoordinatorFenced,
    /// The bound on producers of one partition is reached; retriable.
    TooMany,
}

impl Refusal {
    pub fn message(self) -> &'static str {
        match self {
            Refusal::OutOfOrder => "the sequence number does not follow the producer's last one",
            Refusal::StaleEpoch => "the producer has a newer epoch",
            Refusal::TransactionOpen => "the producer has an open transaction",
            Refusal::NotVerified => "the records are not part of a transaction under way",
            Refusal::CoordinatorFenced => "the coordinator has a newer epoch",
            Refusal::TooMany => "the partition remembers as many producers as it can",
        }
    }
}

/// A transaction that a marker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    pub producer_id: i64,
    pub first_offset: Offset,
    /// Offset of the marker.
    pub last_offset: Offset,
    pub aborted: bool,
    /// First offset of the next open transaction, or the one after the marker.
    pub last_stable_offset: Offset,
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    table: BTreeMap<i64, Producer>,
    /// Open transactions: first offset to producer id.
    open: BTreeMap<Offset, i64>,
    /// Ended, but the high watermark is not past the marker: first offset to the marker's.
    unreplicated: BTreeMap<Offset, Offset>,
}

impl Producers {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub fn get(&self, producer_id: i64) -> Option<&Producer> {
        self.table.get(&producer_id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.table.iter().map(|(&producer_id, producer)| (producer_id, producer))
    }

    /// May this data batch be appended? `most` bounds the table.
    pub fn check(&self, claim: &Claim, origin: Origin, most: usize) -> Result<Verdict, Refusal> {
        if origin == Origin::Leader {
            return Ok(Verdict::Append);
        }
        let Some(producer) = self.table.get(&claim.producer_id) else {
            return if self.table.len() < most {
                Ok(Verdict::Append)
            } else {
                Err(Refusal::TooMany)
            };
        };
        if origin == Origin::Client {
            let found = producer.find(claim.epoch, claim.base_sequence, claim.last_sequence);
            if let Some(batch) = found {
                return Ok(Verdict::Duplicate(*batch));
            }
        }
        if claim.epoch < producer.epoch {
            return Err(Refusal::StaleEpoch);
        }
        if origin == Origin::Client && !in_sequence(producer, claim) {
            return Err(Refusal::OutOfOrder);
        }
        if producer.txn_first_offset.is_some() && !claim.transactional {
            return Err(Refusal::TransactionOpen);
        }
        Ok(Verdict::Append)
    }

    /// Whether this producer's transaction is under way here, under this very epoch.
    pub fn is_open(&self, producer_id: i64, epoch: i16) -> bool {
        let found = self.table.get(&producer_id);
        found.is_some_and(|it| it.txn_first_offset.is_some() && it.epoch == epoch)
    }

    /// A batch of this epoch comes too late.
    pub fn is_stale(&self, producer_id: i64, epoch: i16) -> bool {
        self.table.get(&producer_id).is_some_and(|producer| epoch < producer.epoch)
    }

    /// Whether the coordinator has to be asked before this client's batch can be appended.
    pub fn needs_verification(&self, claim: &Claim) -> Result<bool, Refusal> {
        if self.is_stale(claim.producer_id, claim.epoch) {
            return Err(Refusal::StaleEpoch);
        }
        Ok(claim.transactional && !self.is_open(claim.producer_id, claim.epoch))
    }

    /// As [`Producers::check`] for a client, of whose transaction the coordinator was asked: the
    /// first batch needs the guard.
    pub fn check_verified(
        &self,
        claim: &Claim,
        most: usize,
        verifications: &Verifications,
        guard: Option<Guard>,
    ) -> Result<Verdict, Refusal> {
        let producer = self.table.get(&claim.producer_id);
        let (base, last) = (claim.base_sequence, claim.last_sequence);
        let is_repeated = producer.is_some_and(|it| it.find(claim.epoch, base, last).is_some());
        if claim.transactional && !is_repeated {
            if self.is_stale(claim.producer_id, claim.epoch) {
                return Err(Refusal::StaleEpoch);
            }
            if !self.is_open(claim.producer_id, claim.epoch)
                && !verifications.holds(claim.producer_id, guard)
                && !planted::is("txn-not-verified")
            {
                return Err(Refusal::NotVerified);
            }
            if !verifications.allows(claim, producer.is_none_or(|it| it.last().is_none())) {
                return Err(Refusal::OutOfOrder);
            }
        }
        self.check(claim, Origin::Client, most)
    }

    /// Records a data batch that was appended.
    pub fn apply(&mut self, claim: &Claim, batch: Remembered) {
        let producer = self.table.entry(claim.producer_id).or_default();
        producer.enter_epoch(claim.epoch);
        producer.remember(batch);
        if claim.transactional && producer.txn_first_offset.is_none() {
            producer.txn_first_offset = Some(batch.base_offset());
            self.open.insert(batch.base_offset(), claim.producer_id);
        }
    }

    pub fn check_marker(&self, marker: &Marker, origin: Origin) -> Result<(), Refusal> {
        let Some(producer) = self.table.get(&marker.producer_id) else { return Ok(()) };
        if origin == Origin::Leader {
            return Ok(());
        }
        // A marker of version 2 that was written before comes again with the same epoch. The last
        // epoch of all cannot be raised (Kafka: an abort at Short.MAX_VALUE).
        let ended = producer.txn_first_offset.is_none() || marker.epoch == i16::MAX;
        let again = marker.epoch == producer.epoch && ended;
        let stale = if marker.txn_version >= 2 {
            marker.epoch <= producer.epoch && !again
        } else {
            marker.epoch < producer.epoch
        };
        if stale {
            return Err(Refusal::StaleEpoch);
        }
        if marker.coordinator_epoch < producer.coordinator_epoch {
            return Err(Refusal::CoordinatorFenced);
        }
        Ok(())
    }

    /// Records a marker that was appended at `offset`; yields the transaction it ended, if any.
    pub fn apply_marker(&mut self, marker: &Marker, offset: Offset) -> Option<Ended> {
        let producer = self.table.entry(marker.producer_id).or_default();
        producer.enter_epoch(marker.epoch);
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.last_timestamp = marker.timestamp;
        let first_offset = producer.txn_first_offset.take()?;
        self.open.remove(&first_offset);
        self.unreplicated.insert(first_offset, offset);
        Some(Ended {
            producer_id: marker.producer_id,
            first_offset,
            last_offset: offset,
            aborted: !marker.commit,
            last_stable_offset: self.open.keys().next().copied().unwrap_or(offset + 1),
        })
    }

    /// Puts back what a snapshot held.
    pub fn restore(&mut self, producer_id: i64, producer: Producer) {
        if let Some(first_offset) = producer.txn_first_offset {
            self.open.insert(first_offset, producer_id);
        }
        self.table.insert(producer_id, producer);
    }

    /// Markers below `high_watermark` are decided for good.
    pub fn on_high_watermark(&mut self, high_watermark: Offset) {
        self.unreplicated.retain(|_, &mut marker| marker >= high_watermark);
    }

    /// First offset whose outcome is open, or not yet replicated.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        let open = self.open.keys().next();
        let unreplicated = self.unreplicated.keys().next();
        open.into_iter().chain(unreplicated).min().copied()
    }

    /// First offset of the oldest open transaction and its producer.
    pub fn oldest_open(&self) -> Option<(Offset, i64)> {
        self.open.first_key_value().map(|(&offset, &producer_id)| (offset, producer_id))
    }

    /// Forgets producers without an open transaction that were silent for `expiration_ms`
    /// (Kafka: `producer.id.expiration.ms`), and says how many.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) -> usize {
        let before = self.table.len();
        self.table.retain(|_, producer| {
            producer.txn_first_offset.is_some()
                || now_ms.saturating_sub(producer.last_timestamp) < expiration_ms
        });
        before - self.table.len()
    }
}

fn in_sequence(producer: &Producer, claim: &Claim) -> bool {
    if claim.epoch != producer.epoch {
        // A new epoch begins at 0; a producer known only by a marker without epoch begins anywhere.
        return claim.base_sequence == 0 || producer.epoch == NO_EPOCH;
    }
    match producer.last() {
        Some(last) => claim.base_sequence == sequence_after(last.last_sequence, 1),
        // Only a marker was seen under this epoch: the first batch begins at 0.
        None => claim.base_sequence == 0,
    }
}

#[cfg(test)]
mod tests;
