//! What is remembered of one producer: its epoch, its transaction, and its last five batches.

use std::collections::VecDeque;

use crate::base::planted;
use crate::model::Offset;

/// Batches remembered for each producer; a client has at most five requests in flight.
pub const WINDOW: usize = 5;

/// "No epoch", before the first batch.
pub const NO_EPOCH: i16 = -1;

/// One remembered batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    pub last_sequence: i32,
    pub last_offset: Offset,
    /// Last offset less base offset.
    pub offset_delta: i32,
    /// Largest timestamp of the batch, in ms.
    pub timestamp: i64,
}

impl Remembered {
    pub fn base_offset(&self) -> Offset {
        self.last_offset - Offset::from(self.offset_delta)
    }

    pub fn base_sequence(&self) -> i32 {
        sequence_before(self.last_sequence, self.offset_delta)
    }
}

/// One producer of this partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    pub epoch: i16,
    /// Epoch of the transaction coordinator that ended the last transaction; -1 before.
    pub coordinator_epoch: i32,
    /// Timestamp of the last batch or marker, in ms.
    pub last_timestamp: i64,
    /// Where the open transaction began.
    pub txn_first_offset: Option<Offset>,
    /// Oldest first.
    window: VecDeque<Remembered>,
}

impl Default for Producer {
    fn default() -> Producer {
        Producer {
            epoch: NO_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: -1,
            txn_first_offset: None,
            window: VecDeque::new(),
        }
    }
}

impl Producer {
    pub fn last(&self) -> Option<&Remembered> {
        self.window.back()
    }

    /// Oldest first, at most [`WINDOW`].
    pub fn window(&self) -> impl ExactSizeIterator<Item = &Remembered> {
        self.window.iter()
    }

    /// The batch with exactly these sequences, when it was appended under this epoch.
    pub fn find(&self, epoch: i16, base_sequence: i32, last_sequence: i32) -> Option<&Remembered> {
        if epoch != self.epoch {
            return None;
        }
        self.window.iter().find(|batch| {
            batch.last_sequence == last_sequence && batch.base_sequence() == base_sequence
        })
    }

    /// A new epoch begins with an empty window.
    pub fn enter_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.window.clear();
            self.epoch = epoch;
        }
    }

    pub fn remember(&mut self, batch: Remembered) {
        let most = if planted::is("dedupe-window-of-4") { 4 } else { WINDOW };
        if self.window.len() == most {
            self.window.pop_front();
        }
        self.window.push_back(batch);
        self.last_timestamp = batch.timestamp;
    }
}

/// Sequences run from 0 to `i32::MAX` and begin again at 0.
pub fn sequence_after(sequence: i32, steps: i32) -> i32 {
    (i64::from(sequence) + i64::from(steps)).rem_euclid(1 << 31) as i32
}

fn sequence_before(sequence: i32, steps: i32) -> i32 {
    (i64::from(sequence) - i64::from(steps)).rem_euclid(1 << 31) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap() {
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 3, 10), 6);
        assert_eq!(sequence_before(6, 10), i32::MAX - 3);
        assert_eq!(sequence_before(5, 5), 0);
    }

    #[test]
    fn five_are_remembered_and_a_new_epoch_forgets() {
        let mut producer = Producer::default();
        producer.enter_epoch(0);
        for number in 0..7 {
            let last_sequence = number * 10 + 9;
            producer.remember(Remembered {
                last_sequence,
                last_offset: 100 + i64::from(last_sequence),
                offset_delta: 9,
                timestamp: 1,
            });
        }
        assert_eq!(producer.find(0, 10, 19), None);
        assert_eq!(producer.find(0, 20, 29).map(Remembered::base_offset), Some(120));
        assert_eq!(producer.find(0, 21, 29), None);
        assert_eq!(producer.find(1, 20, 29), None);
        producer.enter_epoch(1);
        assert_eq!(producer.find(1, 60, 69), None);
        assert_eq!(producer.window().len(), 0);
    }
}
