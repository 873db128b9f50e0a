//! What a core remembers of its logs across a restart, so that a start reads little. Pure: the
//! shard writes the file (beside the partitions, in `.ringmain/`), at rolls, on a timer, and when
//! it stops; each log gives its entry.
//!
//! ```text
//!  0        4        8        12       16
//! ┌────────┬────────┬────────┬────────┬─ ─ ─ ─┐  version 2, length of the body, crc-32c of the
//! │ "RMCP" │version │ length │crc-32c │ body  │  body (u32, big endian); the body is an archived
//! └────────┴────────┴────────┴────────┴─ ─ ─ ─┘  list of entries (rkyv), validated when read
//! ```
//!
//! A checkpoint is a promise about bytes that were synced before it was written, never about
//! later ones; a missing or damaged one only costs a longer scan.

use rkyv::{Archive, Deserialize, Serialize};

use crate::model::{Offset, TopicId};

const MAGIC: [u8; 4] = *b"RMCP";
const VERSION: u32 = 2;
const HEADER: usize = 16;

/// One partition's part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Entry {
    pub topic: String,
    pub partition: i32,
    pub topic_id: TopicId,
    pub log_start_offset: Offset,
    /// Compaction has been up to here; it goes on from here.
    pub cleaned_offset: Offset,
    /// Everything below is on stable media; a bad batch below it is corruption.
    pub synced_offset: Offset,
    /// Base offset of the segment that holds `synced_offset`, and where in its file it lies; -1
    /// in an entry that only says what Kafka said.
    pub segment: Offset,
    pub position: u64,
    /// Segments from this base offset on may still be untrimmed, or without indexes.
    pub first_unfinished: Offset,
    pub high_watermark: Offset,
    /// Producers at `synced_offset`; when there are any, a snapshot of them lies there.
    pub producer_count: u32,
    /// The log was closed in order: its files are exact and end at `position`.
    pub clean: bool,
    /// Of the active segment: what otherwise a scan would have to find.
    pub active: Active,
}

/// Facts of the active segment up to `position`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Active {
    /// Largest timestamp of the first batch, in ms; -1 for none.
    pub first_timestamp: i64,
    pub max_timestamp: i64,
    pub max_timestamp_offset: Offset,
    /// Bytes appended since the last entry of the offset index.
    pub unindexed_bytes: u64,
    /// Entries in the index files.
    pub offset_entries: u32,
    pub time_entries: u32,
    pub txn_entries: u32,
}

impl Entry {
    /// Of a log that another broker wrote: the offset is known, its place is not.
    pub fn is_foreign(&self) -> bool {
        self.segment < 0
    }
}

pub fn encode(entries: &Vec<Entry>) -> Vec<u8> {
    let body = rkyv::to_bytes::<rkyv::rancor::Error>(entries).expect("plain values archive");
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
    out.extend_from_slice(&body);
    out
}

/// Why a checkpoint is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCheckpoint(pub &'static str);

impl std::fmt::Display for BadCheckpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

pub fn decode(bytes: &[u8]) -> Result<Vec<Entry>, BadCheckpoint> {
    let (header, body) =
        bytes.split_first_chunk::<HEADER>().ok_or(BadCheckpoint("it ends too early"))?;
    let word = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
    if header[..4] != MAGIC || word(4) != VERSION {
        return Err(BadCheckpoint("not a checkpoint of a known version"));
    }
    if word(8) as usize != body.len() || word(12) != crc32c::crc32c(body) {
        return Err(BadCheckpoint("its length or checksum is wrong"));
    }
    // The archive wants its alignment, which a slice behind a header has by chance only.
    let mut aligned = rkyv::util::AlignedVec::<16>::with_capacity(body.len());
    aligned.extend_from_slice(body);
    rkyv::from_bytes::<Vec<Entry>, rkyv::rancor::Error>(&aligned)
        .map_err(|_| BadCheckpoint("its body is not valid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(partition: i32) -> Entry {
        Entry {
            topic: "orders".to_owned(),
            partition,
            topic_id: TopicId([7; 16]),
            log_start_offset: 10,
            cleaned_offset: 300,
            synced_offset: 500,
            segment: 400,
            position: 81_920,
            first_unfinished: 400,
            high_watermark: 490,
            producer_count: 3,
            clean: partition % 2 == 0,
            active: Active { first_timestamp: 1, max_timestamp: 9, ..Active::default() },
        }
    }

    #[test]
    fn it_reads_back_and_every_damage_is_seen() {
        let entries: Vec<Entry> = (0..5).map(entry).collect();
        let good = encode(&entries);
        assert_eq!(decode(&good), Ok(entries));
        assert_eq!(decode(&encode(&Vec::new())), Ok(Vec::new()));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(decode(&bad).is_err(), "byte {at}");
            assert!(decode(&good[..at]).is_err(), "cut at {at}");
        }
    }
}
