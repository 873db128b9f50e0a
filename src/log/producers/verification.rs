//! Producers whose transaction is being asked about (KIP-890): their first batch in a partition is
//! taken only with the guard that was given before the coordinator was asked. A marker in between
//! takes the guard away, so that a batch which was late for its transaction never opens another.
//! Not kept: after a restart it is asked again.

use std::collections::BTreeMap;

use super::{Claim, Refusal};

/// Proof that the question was asked, and nothing has ended since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verification {
    guard: Guard,
    /// The lowest one that was announced under the epoch: no later batch may come first.
    lowest_sequence: i32,
    epoch: i16,
    /// Each transaction of the producer has an epoch of its own.
    raises_epoch: bool,
    asked_ms: i64,
}

#[derive(Debug, Default)]
pub struct Verifications {
    table: BTreeMap<i64, Verification>,
    given: u64,
}

impl Verifications {
    /// The guard of this producer. `most` bounds the table.
    pub fn begin(
        &mut self,
        claim: &Claim,
        raises_epoch: bool,
        now_ms: i64,
        most: usize,
    ) -> Result<Guard, Refusal> {
        if self.table.len() >= most && !self.table.contains_key(&claim.producer_id) {
            return Err(Refusal::TooMany);
        }
        let given = &mut self.given;
        let entry = self.table.entry(claim.producer_id).or_insert_with(|| {
            *given += 1;
            Verification {
                guard: Guard(*given),
                lowest_sequence: claim.base_sequence,
                epoch: claim.epoch,
                raises_epoch,
                asked_ms: now_ms,
            }
        });
        if claim.epoch > entry.epoch {
            entry.epoch = claim.epoch;
            entry.lowest_sequence = claim.base_sequence;
        } else if claim.epoch == entry.epoch {
            entry.lowest_sequence = entry.lowest_sequence.min(claim.base_sequence);
        }
        Ok(entry.guard)
    }

    pub fn holds(&self, producer_id: i64, guard: Option<Guard>) -> bool {
        guard.is_some() && self.table.get(&producer_id).map(|entry| entry.guard) == guard
    }

    /// Whether a batch with this sequence may be the first; `is_new` when the partition remembers
    /// no batch of the producer.
    pub fn allows(&self, claim: &Claim, is_new: bool) -> bool {
        self.table.get(&claim.producer_id).is_none_or(|entry| {
            let skips = entry.raises_epoch && is_new && claim.base_sequence != 0;
            !skips && claim.base_sequence <= entry.lowest_sequence
        })
    }

    /// A batch or marker of a transaction was appended. The marker of the transaction before does
    /// not end what its producer has begun meanwhile under the marker's own epoch.
    pub fn appended(&mut self, producer_id: i64, epoch: i16, is_marker: bool) {
        let keeps = |entry: &Verification| is_marker && entry.raises_epoch && entry.epoch == epoch;
        if self.table.get(&producer_id).is_some_and(|entry| !keeps(entry)) {
            self.table.remove(&producer_id);
        }
    }

    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.table.retain(|_, entry| now_ms.saturating_sub(entry.asked_ms) < expiration_ms);
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}
