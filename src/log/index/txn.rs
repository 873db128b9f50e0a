//! `.txnindex`: the aborted transactions whose marker lies in the segment.
//!
//! ```text
//!  0   2          10           18          26           34
//! ┌───┬──────────┬────────────┬───────────┬────────────┐  version 0 (i16); all big endian
//! │ 0 │producer  │first offset│last offset│last stable │  last offset: that of the marker
//! └───┴──────────┴────────────┴───────────┴────────────┘  last stable: offset at that moment
//! ```

use super::{Unusable, take};
use crate::model::Offset;

/// Bytes of one entry.
pub const ENTRY: usize = 34;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted {
    pub producer_id: i64,
    pub first_offset: Offset,
    pub last_offset: Offset,
    /// The last stable offset when the marker was appended.
    pub last_stable_offset: Offset,
}

impl Aborted {
    pub fn to_bytes(self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[2..10].copy_from_slice(&self.producer_id.to_be_bytes());
        bytes[10..18].copy_from_slice(&self.first_offset.to_be_bytes());
        bytes[18..26].copy_from_slice(&self.last_offset.to_be_bytes());
        bytes[26..34].copy_from_slice(&self.last_stable_offset.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8], at: usize) -> Result<Aborted, Unusable> {
        if i16::from_be_bytes(take(bytes, at)) != 0 {
            return Err(Unusable("an entry of an unknown version"));
        }
        Ok(Aborted {
            producer_id: i64::from_be_bytes(take(bytes, at + 2)),
            first_offset: i64::from_be_bytes(take(bytes, at + 10)),
            last_offset: i64::from_be_bytes(take(bytes, at + 18)),
            last_stable_offset: i64::from_be_bytes(take(bytes, at + 26)),
        })
    }
}

/// Reads a whole index; every marker must lie in `base..end`.
pub fn decode(bytes: &[u8], base: Offset, end: Offset) -> Result<Vec<Aborted>, Unusable> {
    if !bytes.len().is_multiple_of(ENTRY) {
        return Err(Unusable("its length is no multiple of thirty-four"));
    }
    let mut entries: Vec<Aborted> = Vec::with_capacity(bytes.len() / ENTRY);
    for at in (0..bytes.len()).step_by(ENTRY) {
        let entry = Aborted::from_bytes(bytes, at)?;
        if !(base..end).contains(&entry.last_offset) || entry.first_offset > entry.last_offset {
            return Err(Unusable("an entry points outside the segment"));
        }
        if entries.last().is_some_and(|last| entry.last_offset <= last.last_offset) {
            return Err(Unusable("entries do not rise"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

pub fn encode(entries: &[Aborted]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_bytes()).collect()
}

/// Appends to `out` the transactions that touch `from..to`. True when no later entry can: the
/// last stable offset had passed `to` when one of these markers was written.
pub fn collect(entries: &[Aborted], from: Offset, to: Offset, out: &mut Vec<Aborted>) -> bool {
    for entry in entries {
        if entry.last_offset >= from && entry.first_offset < to {
            out.push(*entry);
        }
        if entry.last_stable_offset >= to {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aborted(first_offset: Offset, last_offset: Offset, last_stable_offset: Offset) -> Aborted {
        Aborted { producer_id: 7, first_offset, last_offset, last_stable_offset }
    }

    #[test]
    fn entries_read_back_and_damage_is_seen() {
        let list = vec![aborted(10, 20, 15), aborted(15, 30, 31)];
        let bytes = encode(&list);
        assert_eq!(decode(&bytes, 10, 31), Ok(list));
        assert!(decode(&bytes, 10, 30).is_err());
        assert!(decode(&bytes, 21, 31).is_err());
        assert!(decode(&bytes[1..], 10, 31).is_err());
        let mut versioned = bytes.clone();
        versioned[1] = 1;
        assert!(decode(&versioned, 10, 31).is_err());
    }

    #[test]
    fn a_range_collects_what_touches_it_and_knows_when_to_stop() {
        let list = [aborted(10, 20, 15), aborted(15, 30, 31), aborted(40, 50, 51)];
        let collect = |from, to| {
            let mut out = Vec::new();
            let done = super::collect(&list, from, to, &mut out);
            (out.len(), done)
        };
        assert_eq!(collect(0, 10), (0, true));
        assert_eq!(collect(0, 11), (1, true));
        assert_eq!(collect(20, 31), (2, true));
        assert_eq!(collect(31, 40), (0, true));
        assert_eq!(collect(45, 60), (1, false));
        assert_eq!(collect(51, 60), (0, false));
    }
}
