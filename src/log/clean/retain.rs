//! Which records and batches stay (Kafka: Cleaner.cleanInto). Pure.
//!
//! A record stays when it is the last of its key, or lies behind what the keys know. One without a
//! value, a *tombstone*, stays until the delete horizon of its batch (KIP-534), which is set by the
//! cleaning that first finds it. A marker whose transaction is gone waits in the same way.
//!
//! A batch without records stays, empty, where somebody needs its header: the last batch of a
//! producer holds its sequence number, and the last batch of a segment says where it ends. (Kafka
//! does the latter for the last segment of a cleaning only. Here every segment goes on up to the
//! next one, so that a recovery without any checkpoint can tell one that was cleaned from one that
//! lost its end.)

use std::collections::BTreeMap;

use super::keys::Keys;
use crate::base::planted;
use crate::log::producers::Producers;
use crate::model::Offset;
use crate::wire::batch::BatchHeader;

/// The last that is known of a producer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    /// Of its last data batch; `None` where only a marker was seen under its epoch.
    data_offset: Option<Offset>,
    epoch: i16,
}

/// What is known of every producer now.
pub(super) fn last_of(producers: &Producers) -> BTreeMap<i64, Last> {
    let last = producers.iter().map(|(producer_id, producer)| {
        let data_offset = producer.last().map(|batch| batch.last_offset);
        (producer_id, Last { data_offset, epoch: producer.epoch })
    });
    last.collect()
}

/// What holds for one cleaning.
pub(super) struct Retention<'a> {
    pub(super) keys: &'a Keys,
    pub(super) producers: &'a BTreeMap<i64, Last>,
    /// Where the segment ends that is being made.
    pub(super) end_offset: Offset,
    pub(super) now_ms: i64,
    /// Kafka: `delete.retention.ms`.
    pub(super) delete_retention_ms: i64,
}

/// What becomes of a batch as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    /// All its records go.
    pub(super) loses_all: bool,
    /// It stays when it has no records.
    pub(super) stays_empty: bool,
    /// It is a marker that may go with its delete horizon.
    pub(super) is_spent: bool,
}

impl Retention<'_> {
    /// `may_go`: its transaction is aborted, or it is a marker that is spent.
    pub(super) fn fate(&self, batch: &BatchHeader<'_>, may_go: bool) -> Fate {
        let is_control = batch.is_control();
        let is_past = batch.delete_horizon().is_some_and(|horizon| horizon <= self.now_ms);
        let is_last = batch.next_offset() == self.end_offset;
        Fate {
            loses_all: may_go && (!is_control || is_past),
            stays_empty: self.is_last_of_producer(batch) || is_last,
            is_spent: may_go && is_control,
        }
    }

    fn is_last_of_producer(&self, batch: &BatchHeader<'_>) -> bool {
        let last = self.producers.get(&batch.producer_id()).filter(|_| batch.has_producer_id());
        last.is_some_and(|last| match last.data_offset {
            Some(offset) => batch.last_offset() == offset,
            // Only the marker knows the epoch, which fences.
            None => batch.is_control() && batch.producer_epoch() == last.epoch,
        })
    }

    /// Whether a record of a batch that does not lose all stays.
    pub(super) fn keeps(
        &self,
        batch: &BatchHeader<'_>,
        offset: Offset,
        key: Option<&[u8]>,
        has_value: bool,
    ) -> bool {
        if batch.is_control() || offset > self.keys.latest() {
            return true;
        }
        // A compacted topic has nothing to go by for a record without a key.
        let Some(key) = key else { return false };
        let last = self.keys.get(key).unwrap_or(-1);
        let is_last = match planted::is("clean-away-last-values") {
            true => offset > last,
            false => offset >= last,
        };
        is_last && (has_value || self.keeps_tombstones(batch))
    }

    fn keeps_tombstones(&self, batch: &BatchHeader<'_>) -> bool {
        if planted::is("clean-tombstones-early") {
            return false;
        }
        batch.delete_horizon().is_none_or(|horizon| self.now_ms < horizon)
    }

    /// The delete horizon of a batch of which records stay, and whether it is a new one.
    pub(super) fn horizon(
        &self,
        batch: &BatchHeader<'_>,
        has_tombstones: bool,
        fate: Fate,
    ) -> (Option<i64>, bool) {
        let known = batch.delete_horizon();
        if known.is_none() && (has_tombstones || fate.is_spent) {
            (Some(self.now_ms.saturating_add(self.delete_retention_ms)), true)
        } else {
            (known, false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::batch::{self, Batch, Thinned};
    use crate::wire::compression::Codec;
    use crate::wire::record::{BatchBuilder, BatchFields};

    const NOW: i64 = 5000;

    /// One record at offset 10, by producer 7, with a delete horizon if there is one.
    fn batch(control: bool, epoch: i16, horizon: Option<i64>) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchFields {
            base_offset: 10,
            producer_id: 7,
            producer_epoch: epoch,
            base_sequence: 0,
            transactional: true,
            control,
            ..BatchFields::default()
        });
        builder.push(NOW, Some(b"k"), None, &[]);
        let bytes = builder.finish();
        let first = Batch::first(&bytes).unwrap();
        let Some(horizon) = horizon else { return bytes };
        let thinned = Thinned {
            base_timestamp: horizon,
            max_timestamp: NOW,
            record_count: 1,
            has_delete_horizon: true,
            codec: Codec::None,
        };
        batch::thin_out(&first.header, thinned, first.payload()).unwrap()
    }

    fn with<T>(keys: &Keys, last: Option<Last>, end: Offset, see: impl Fn(&Retention) -> T) -> T {
        let producers = last.into_iter().map(|last| (7, last)).collect();
        see(&Retention {
            keys,
            producers: &producers,
            end_offset: end,
            now_ms: NOW,
            delete_retention_ms: 100,
        })
    }

    #[test]
    fn the_last_record_of_a_key_stays() {
        let check = |name: &str, entered: &[(&str, Offset)], reach, key, value, horizon, expect| {
            let mut keys = Keys::new(4096, 0.9, 10, [1, 2]);
            entered.iter().for_each(|(key, offset)| assert!(keys.put(key.as_bytes(), *offset)));
            keys.reach(reach);
            let bytes = batch(false, 0, horizon);
            let header = Batch::first(&bytes).unwrap().header;
            let found = with(&keys, None, 99, |rule| rule.keeps(&header, 10, key, value));
            assert_eq!(found, expect, "{name}");
        };
        let k = Some(&b"k"[..]);
        check("the only one", &[("k", 10)], 20, k, true, None, true);
        check("superseded", &[("k", 11)], 20, k, true, None, false);
        check("not in the dirty part", &[("x", 11)], 20, k, true, None, true);
        check("behind what is known", &[("x", 9)], 9, k, true, None, true);
        check("behind it, without a key", &[("x", 9)], 9, None, true, None, true);
        check("without a key", &[("x", 11)], 20, None, true, None, false);
        check("a new tombstone", &[("k", 10)], 20, k, false, None, true);
        check("a waiting tombstone", &[("k", 10)], 20, k, false, Some(NOW + 1), true);
        check("a tombstone at its horizon", &[("k", 10)], 20, k, false, Some(NOW), false);
        check("a superseded tombstone", &[("k", 11)], 20, k, false, Some(NOW + 1), false);
        check("a value beside old tombstones", &[("k", 10)], 20, k, true, Some(NOW), true);
    }

    #[test]
    fn batches_stay_where_their_header_is_needed() {
        let keys = Keys::new(4096, 0.9, 10, [1, 2]);
        let check = |name: &str, control, horizon, may_go, last, end, expect: [bool; 3]| {
            let bytes = batch(control, 3, horizon);
            let header = Batch::first(&bytes).unwrap().header;
            let fate = with(&keys, last, end, |rule| rule.fate(&header, may_go));
            assert_eq!([fate.loses_all, fate.stays_empty, fate.is_spent], expect, "{name}");
        };
        let data = |offset| Some(Last { data_offset: Some(offset), epoch: 3 });
        let marked = |epoch| Some(Last { data_offset: None, epoch });
        check("committed", false, None, false, None, 99, [false, false, false]);
        check("aborted", false, None, true, None, 99, [true, false, false]);
        check("the last of its producer", false, None, true, data(10), 99, [true, true, false]);
        check("not the last", false, None, false, data(12), 99, [false, false, false]);
        check("the last of its segment", false, None, true, None, 11, [true, true, false]);
        check("a needed marker", true, None, false, data(12), 99, [false, false, false]);
        check("a spent marker", true, None, true, None, 99, [false, false, true]);
        check("one that waits", true, Some(NOW + 1), true, None, 99, [false, false, true]);
        check("one that has waited", true, Some(NOW), true, None, 99, [true, false, true]);
        check("a marker with the epoch", true, None, false, marked(3), 99, [false, true, false]);
        check("with an older epoch", true, None, false, marked(4), 99, [false, false, false]);
        check("data of that epoch", false, None, false, marked(3), 99, [false, false, false]);
    }

    #[test]
    fn a_delete_horizon_is_set_once() {
        let keys = Keys::new(4096, 0.9, 10, [1, 2]);
        let check = |known: Option<i64>, has_tombstones, is_spent, expect| {
            let bytes = batch(is_spent, 3, known);
            let header = Batch::first(&bytes).unwrap().header;
            let fate = Fate { loses_all: false, stays_empty: false, is_spent };
            let found = with(&keys, None, 99, |rule| rule.horizon(&header, has_tombstones, fate));
            assert_eq!(found, expect);
        };
        check(None, false, false, (None, false));
        check(None, true, false, (Some(NOW + 100), true));
        check(None, false, true, (Some(NOW + 100), true));
        check(Some(7), true, false, (Some(7), false));
        check(Some(7), false, true, (Some(7), false));
    }
}
