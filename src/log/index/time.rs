//! `.timeindex`: the largest timestamp so far, and an offset up to which it holds.
//!
//! ```text
//!  0                8        12
//! ┌────────────────┬────────┐  timestamp: largest of the segment up to here, in ms (i64)
//! │   timestamp    │relative│  relative: last offset of the batch that carries it, less the base
//! └────────────────┴────────┘  big endian; timestamps rise, offsets never fall
//! ```

use super::{Unusable, take};

/// Bytes of one entry.
pub const ENTRY: usize = 12;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub timestamp: i64,
    pub relative: u32,
}

impl Entry {
    pub fn to_bytes(self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&self.relative.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8], at: usize) -> Entry {
        Entry {
            timestamp: i64::from_be_bytes(take(bytes, at)),
            relative: u32::from_be_bytes(take(bytes, at + 8)),
        }
    }
}

/// Reads a whole index; `records` is how many offsets the segment spans.
pub fn decode(bytes: &[u8], records: u64) -> Result<Vec<Entry>, Unusable> {
    if !bytes.len().is_multiple_of(ENTRY) {
        return Err(Unusable("its length is no multiple of twelve"));
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(bytes.len() / ENTRY);
    for at in (0..bytes.len()).step_by(ENTRY) {
        if bytes[at..].iter().all(|&byte| byte == 0) {
            // Kafka's padding, as in the offset index.
            break;
        }
        let entry = Entry::from_bytes(bytes, at);
        if u64::from(entry.relative) >= records {
            return Err(Unusable("an entry points outside the segment"));
        }
        if entries
            .last()
            .is_some_and(|last| entry.timestamp <= last.timestamp || entry.relative < last.relative)
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

/// The last entry whose timestamp is below `timestamp`: every record up to its offset is older,
/// so a search may begin there.
pub fn before(entries: &[Entry], timestamp: i64) -> Option<Entry> {
    match entries.partition_point(|entry| entry.timestamp < timestamp) {
        0 => None,
        after => Some(entries[after - 1]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prng::Prng;

    #[test]
    fn lookups_agree_with_a_plain_search() {
        let mut prng = Prng::new(12);
        for _ in 0..200 {
            let mut list = Vec::new();
            let (mut timestamp, mut relative) = (1i64, 0u32);
            for _ in 0..prng.below(50) {
                timestamp += 1 + prng.below(9) as i64;
                relative += prng.below(7) as u32;
                list.push(Entry { timestamp, relative });
            }
            for wanted in 0..timestamp + 3 {
                let plain = list.iter().rev().find(|entry| entry.timestamp < wanted);
                assert_eq!(before(&list, wanted), plain.copied());
            }
            let mut bytes = encode(&list);
            assert_eq!(decode(&bytes, u64::from(relative) + 1).as_ref(), Ok(&list));
            bytes.resize(bytes.len() + 5 * ENTRY, 0);
            assert_eq!(decode(&bytes, u64::from(relative) + 1), Ok(list));
        }
    }

    #[test]
    fn damage_is_seen() {
        let list =
            [(5, 0), (6, 0), (9, 4)].map(|(timestamp, relative)| Entry { timestamp, relative });
        let good = encode(&list);
        assert!(decode(&good, 5).is_ok());
        assert!(decode(&good, 4).is_err());
        assert!(decode(&good[..30], 5).is_err());
        let falling = encode(&[list[1], list[0]]);
        assert!(decode(&falling, 5).is_err());
    }
}
