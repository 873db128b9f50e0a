//! The last offset of every key in the dirty part of a log, in bounded memory. Pure.
//!
//! Keys are not kept, only their hashes: 128 bits under a secret drawn for each cleaning, so that
//! nobody can choose keys that are taken for each other (Kafka keeps MD5 sums). An entry is 24
//! bytes, as Kafka's is; where the table is full, cleaning ends at the offset that still fitted.

use crate::base::siphash::hash128;
use crate::model::Offset;

/// Bytes of one entry.
pub(super) const ENTRY: usize = size_of::<Slot>();

const _: () = assert!(ENTRY == 24, "what log.cleaner.dedupe.buffer.size counts");

#[derive(Clone, Copy)]
struct Slot {
    hash: [u64; 2],
    /// -1 where the slot is free.
    offset: Offset,
}

const FREE: Slot = Slot { hash: [0; 2], offset: -1 };

pub(super) struct Keys {
    secret: [u64; 2],
    slots: Vec<Slot>,
    len: usize,
    /// Keys that may be entered: a fuller table gets slow.
    most: usize,
    latest: Offset,
}

impl Keys {
    /// A table of at most `bytes`, filled up to `load` (0 to 1), and no larger than `expected`
    /// keys need.
    pub(super) fn new(bytes: usize, load: f64, expected: u64, secret: [u64; 2]) -> Keys {
        let load = load.clamp(0.1, 0.95);
        let needed = (expected as f64 / load).ceil() as u64 + 2;
        let slots = needed.min((bytes / ENTRY) as u64).max(2) as usize;
        // One slot is always free, where a search for what is not there ends.
        let most = ((slots as f64 * load) as usize).clamp(1, slots - 1);
        Keys { secret, slots: vec![FREE; slots], len: 0, most, latest: -1 }
    }

    /// Offset of the last record that was entered, or passed over as having nothing to enter.
    pub(super) fn latest(&self) -> Offset {
        self.latest
    }

    /// Everything up to `offset` was seen.
    pub(super) fn reach(&mut self, offset: Offset) {
        self.latest = self.latest.max(offset);
    }

    /// Enters a record; offsets rise. False when there is no room: then it was not seen.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        debug_assert!(offset > self.latest);
        // Kafka, too, turns away a key that is there already.
        if self.len >= self.most {
            return false;
        }
        let hash = hash128(self.secret, key);
        let at = self.place(hash);
        self.len += usize::from(self.slots[at].offset < 0);
        self.slots[at] = Slot { hash, offset };
        self.latest = offset;
        true
    }

    /// The last offset of a key, if it was entered.
    pub(super) fn get(&self, key: &[u8]) -> Option<Offset> {
        let slot = self.slots[self.place(hash128(self.secret, key))];
        (slot.offset >= 0).then_some(slot.offset)
    }

    /// Where the hash is, or would be.
    fn place(&self, hash: [u64; 2]) -> usize {
        let count = self.slots.len();
        let mut at = ((u128::from(hash[0]) * count as u128) >> 64) as usize;
        while self.slots[at].offset >= 0 && self.slots[at].hash != hash {
            at = (at + 1) % count;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::prng::Prng;

    #[test]
    fn it_answers_as_a_map_does_and_ends_where_it_is_full() {
        for seed in 0..50 {
            let mut prng = Prng::new(seed);
            let bytes = ENTRY * (2 + prng.below(300) as usize);
            let load = 0.1 + prng.below(80) as f64 / 100.0;
            let mut keys = Keys::new(bytes, load, prng.below(500), [seed, 7]);
            let mut plain = BTreeMap::new();
            let mut offset = 0;
            loop {
                offset += 1 + prng.below(3) as Offset;
                let key = prng.below(200).to_string();
                if !keys.put(key.as_bytes(), offset) {
                    break;
                }
                assert_eq!(keys.latest(), offset);
                plain.insert(key, offset);
                if plain.len() == 200 {
                    break;
                }
            }
            assert!(!plain.is_empty(), "one key at least goes in, or cleaning would never get on");
            for key in 0..200 {
                let key = key.to_string();
                assert_eq!(keys.get(key.as_bytes()), plain.get(&key).copied(), "seed {seed}");
            }
        }
    }

    #[test]
    fn it_is_as_large_as_needed_and_no_larger() {
        let slots = |bytes, load, expected| Keys::new(bytes, load, expected, [0; 2]).slots.len();
        assert_eq!(slots(24_000, 0.9, 1_000_000), 1000);
        assert_eq!(slots(24_000, 0.5, 100), 202);
        assert_eq!(slots(0, 0.9, 0), 2);
        let mut exact = Keys::new(usize::MAX, 0.9, 1000, [0; 2]);
        let all = (0..1000).all(|key: i64| exact.put(&key.to_be_bytes(), key));
        assert!(all, "what was expected has room");
    }

    #[test]
    fn what_was_passed_over_counts_as_seen() {
        let mut keys = Keys::new(4096, 0.9, 10, [0; 2]);
        assert_eq!(keys.latest(), -1);
        keys.reach(7);
        keys.reach(3);
        assert_eq!(keys.latest(), 7);
        assert!(keys.put(b"k", 8));
        assert_eq!((keys.latest(), keys.get(b"k"), keys.get(b"other")), (8, Some(8), None));
    }
}
