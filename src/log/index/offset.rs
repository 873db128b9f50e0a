//! `.index`: offset to position, one entry about every `index.interval.bytes`.
//!
//! ```text
//!  0        4        8
//! ┌────────┬────────┐  relative: last offset of a batch, less the segment's base offset (u31)
//! │relative│position│  position: where that batch begins in the .log file (u31)
//! └────────┴────────┘  both big endian, both rising from entry to entry
//! ```
//!
//! Kafka preallocates the index files of a live broker: zeros up to the end of the file end the
//! index. (An index that holds only the entry (0, 0) is lost with them: a hint less.)

use super::{Unusable, take};

/// Bytes of one entry.
pub const ENTRY: usize = 8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub relative: u32,
    pub position: u32,
}

impl Entry {
    pub fn to_bytes(self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..4].copy_from_slice(&self.relative.to_be_bytes());
        bytes[4..].copy_from_slice(&self.position.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8], at: usize) -> Entry {
        Entry {
            relative: u32::from_be_bytes(take(bytes, at)),
            position: u32::from_be_bytes(take(bytes, at + 4)),
        }
    }
}

/// Reads a whole index; `log_len` is the length of the log file beside it.
pub fn decode(bytes: &[u8], log_len: u64) -> Result<Vec<Entry>, Unusable> {
    if !bytes.len().is_multiple_of(ENTRY) {
        return Err(Unusable("its length is no multiple of eight"));
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(bytes.len() / ENTRY);
    for at in (0..bytes.len()).step_by(ENTRY) {
        if bytes[at..].iter().all(|&byte| byte == 0) {
            break;
        }
        let entry = Entry::from_bytes(bytes, at);
        if entry.relative > i32::MAX as u32 || u64::from(entry.position) >= log_len {
            return Err(Unusable("an entry points outside the log"));
        }
        if entries
            .last()
            .is_some_and(|last| entry.relative <= last.relative || entry.position <= last.position)
        {
            return Err(Unusable("entries do not rise"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

pub fn encode(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_bytes()).collect()
}

/// The last entry at or below an offset.
pub fn entry_for(entries: &[Entry], relative: u32) -> Option<Entry> {
    let after = entries.partition_point(|entry| entry.relative <= relative);
    Some(entries[after.checked_sub(1)?])
}

/// The position to scan from for an offset: that of the last entry at or below it, or 0.
pub fn position_for(entries: &[Entry], relative: u32) -> u32 {
    entry_for(entries, relative).map_or(0, |entry| entry.position)
}

/// The last batch boundary known to lie at or before `position`.
pub fn boundary_before(entries: &[Entry], position: u64) -> Option<u32> {
    match entries.partition_point(|entry| u64::from(entry.position) <= position) {
        0 => None,
        after => Some(entries[after - 1].position),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prng::Prng;

    fn entries(list: &[(u32, u32)]) -> Vec<Entry> {
        list.iter().map(|&(relative, position)| Entry { relative, position }).collect()
    }

    #[test]
    fn lookups_agree_with_a_plain_search() {
        let mut prng = Prng::new(11);
        for _ in 0..200 {
            let mut list = Vec::new();
            let (mut relative, mut position) = (0u32, 0u32);
            for _ in 0..prng.below(50) {
                relative += 1 + prng.below(9) as u32;
                position += 1 + prng.below(5000) as u32;
                list.push(Entry { relative, position });
            }
            for wanted in 0..relative + 3 {
                let plain = list.iter().rev().find(|entry| entry.relative <= wanted);
                assert_eq!(position_for(&list, wanted), plain.map_or(0, |entry| entry.position));
            }
            for _ in 0..50 {
                let at = prng.below(u64::from(position) + 100);
                let plain = list.iter().rev().find(|entry| u64::from(entry.position) <= at);
                assert_eq!(boundary_before(&list, at), plain.map(|entry| entry.position));
            }
            let bytes = encode(&list);
            assert_eq!(decode(&bytes, u64::from(position) + 1), Ok(list));
        }
    }

    #[test]
    fn damage_is_seen_and_padding_is_not_damage() {
        let good = encode(&entries(&[(3, 0), (9, 4100), (12, 9000)]));
        assert_eq!(decode(&good, 10_000).map(|list| list.len()), Ok(3));
        let mut padded = good.clone();
        padded.resize(80, 0);
        assert_eq!(decode(&padded, 10_000).map(|list| list.len()), Ok(3));
        assert!(decode(&good[..20], 10_000).is_err());
        assert!(decode(&good, 9000).is_err());
        assert!(decode(&encode(&entries(&[(3, 0), (3, 5)])), 10).is_err());
        assert!(decode(&encode(&entries(&[(3, 5), (4, 5)])), 10).is_err());
        assert!(decode(&encode(&entries(&[(3, 1), (0, 0), (4, 5)])), 10).is_err());
        assert_eq!(decode(&[0; 64], 10), Ok(Vec::new()));
        assert_eq!(decode(&[], 0), Ok(Vec::new()));
    }
}
