//! `.snapshot`: the producers of a partition at one offset, which is the file's name.
//!
//! ```text
//!  0   2        6        10
//! ┌───┬────────┬────────┬─────────┬─ ─ ─ ─ ─┐  version 1 (i16); big endian throughout
//! │ 1 │crc-32c │ count  │ entries │ windows │  crc: of everything behind it (u32)
//! └───┴────────┴────────┴─────────┴─ ─ ─ ─ ─┘
//! entry, 46 bytes:
//! ┌───────────┬─────┬────────┬───────────┬─────┬─────────┬───────────┬─────────┐
//! │producer id│epoch│last seq│last offset│delta│timestamp│coordinator│txn first│
//! │    i64    │ i16 │  i32   │    i64    │ i32 │   i64   │ epoch i32 │   i64   │
//! └───────────┴─────┴────────┴───────────┴─────┴─────────┴───────────┴─────────┘
//! ```
//!
//! Kafka's file ends with the entries, and keeps only the last batch of each producer, so its
//! window of five does not survive a restart. Ours goes on with the older batches, oldest first,
//! where Kafka's reader does not look (the checksum covers the whole file for both):
//!
//! ```text
//! ┌────────┬────────┬─────────────────────────────────────────────────────────────┐
//! │ "RMW1" │ count  │ count x (producer id i64, n u8, n x (last seq i32, last     │
//! │        │  i32   │          offset i64, delta i32, timestamp i64))             │
//! └────────┴────────┴─────────────────────────────────────────────────────────────┘
//! ```

use super::{Producer, Producers, Remembered, WINDOW};

const VERSION: i16 = 1;
const HEADER: usize = 10;
const ENTRY: usize = 46;
const BATCH: usize = 24;
const WINDOWS: [u8; 4] = *b"RMW1";

/// Why a snapshot is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSnapshot(pub &'static str);

impl std::fmt::Display for BadSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

pub fn encode(producers: &Producers) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + producers.len() * (ENTRY + 4 * BATCH + 9) + 8);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(producers.len() as i32).to_be_bytes());
    for (producer_id, producer) in producers.iter() {
        let last = producer.last().copied().unwrap_or(Remembered {
            last_sequence: -1,
            last_offset: -1,
            offset_delta: 0,
            timestamp: producer.last_timestamp,
        });
        out.extend_from_slice(&producer_id.to_be_bytes());
        out.extend_from_slice(&producer.epoch.to_be_bytes());
        out.extend_from_slice(&last.last_sequence.to_be_bytes());
        out.extend_from_slice(&last.last_offset.to_be_bytes());
        out.extend_from_slice(&last.offset_delta.to_be_bytes());
        out.extend_from_slice(&producer.last_timestamp.to_be_bytes());
        out.extend_from_slice(&producer.coordinator_epoch.to_be_bytes());
        out.extend_from_slice(&producer.txn_first_offset.unwrap_or(-1).to_be_bytes());
    }
    encode_windows(producers, &mut out);
    let crc = crc32c::crc32c(&out[6..]);
    out[2..6].copy_from_slice(&crc.to_be_bytes());
    out
}

fn encode_windows(producers: &Producers, out: &mut Vec<u8>) {
    let long = || producers.iter().filter(|(_, producer)| producer.window().len() > 1);
    out.extend_from_slice(&WINDOWS);
    out.extend_from_slice(&(long().count() as i32).to_be_bytes());
    for (producer_id, producer) in long() {
        let older = producer.window().len() - 1;
        out.extend_from_slice(&producer_id.to_be_bytes());
        out.push(older as u8);
        for batch in producer.window().take(older) {
            out.extend_from_slice(&batch.last_sequence.to_be_bytes());
            out.extend_from_slice(&batch.last_offset.to_be_bytes());
            out.extend_from_slice(&batch.offset_delta.to_be_bytes());
            out.extend_from_slice(&batch.timestamp.to_be_bytes());
        }
    }
}

/// Takes big-endian numbers off the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], BadSnapshot> {
        let (head, rest) =
            self.0.split_first_chunk::<N>().ok_or(BadSnapshot("it ends too early"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn i16(&mut self) -> Result<i16, BadSnapshot> {
        Ok(i16::from_be_bytes(self.take()?))
    }

    fn i32(&mut self) -> Result<i32, BadSnapshot> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    fn i64(&mut self) -> Result<i64, BadSnapshot> {
        Ok(i64::from_be_bytes(self.take()?))
    }

    /// A count of things of which each takes at least `size` bytes.
    fn count(&mut self, size: usize) -> Result<usize, BadSnapshot> {
        let count = usize::try_from(self.i32()?).map_err(|_| BadSnapshot("a negative count"))?;
        if count > self.0.len() / size { Err(BadSnapshot("a count too large")) } else { Ok(count) }
    }
}

pub fn decode(bytes: &[u8]) -> Result<Producers, BadSnapshot> {
    let mut reader = Reader(bytes);
    if reader.i16()? != VERSION {
        return Err(BadSnapshot("an unknown version"));
    }
    let crc = u32::from_be_bytes(reader.take()?);
    if crc != crc32c::crc32c(reader.0) {
        return Err(BadSnapshot("its checksum is wrong"));
    }
    let count = reader.count(ENTRY)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(decode_entry(&mut reader)?);
    }
    let mut older = std::collections::BTreeMap::new();
    if reader.0.starts_with(&WINDOWS) {
        let _: [u8; 4] = reader.take()?;
        for _ in 0..reader.count(9 + BATCH)? {
            let producer_id = reader.i64()?;
            older.insert(producer_id, decode_window(&mut reader)?);
        }
    }
    let mut producers = Producers::default();
    for (producer_id, mut producer, last) in entries {
        let timestamp = producer.last_timestamp;
        for batch in older.remove(&producer_id).unwrap_or_default() {
            producer.remember(batch);
        }
        if let Some(last) = last {
            producer.remember(last);
        }
        producer.last_timestamp = timestamp;
        producers.restore(producer_id, producer);
    }
    Ok(producers)
}

fn decode_entry(
    reader: &mut Reader<'_>,
) -> Result<(i64, Producer, Option<Remembered>), BadSnapshot> {
    let producer_id = reader.i64()?;
    let epoch = reader.i16()?;
    let mut last = Remembered {
        last_sequence: reader.i32()?,
        last_offset: reader.i64()?,
        offset_delta: reader.i32()?,
        timestamp: 0,
    };
    last.timestamp = reader.i64()?;
    let coordinator_epoch = reader.i32()?;
    let txn_first_offset = Some(reader.i64()?).filter(|&offset| offset >= 0);
    let last_timestamp = last.timestamp;
    let last = Some(last).filter(|last| last.last_offset >= 0);
    let mut producer = Producer::default();
    producer.epoch = epoch;
    producer.coordinator_epoch = coordinator_epoch;
    producer.last_timestamp = last_timestamp;
    producer.txn_first_offset = txn_first_offset;
    Ok((producer_id, producer, last))
}

fn decode_window(reader: &mut Reader<'_>) -> Result<Vec<Remembered>, BadSnapshot> {
    let [count] = reader.take::<1>()?;
    if usize::from(count) >= WINDOW {
        return Err(BadSnapshot("a window too long"));
    }
    (0..count)
        .map(|_| {
            Ok(Remembered {
                last_sequence: reader.i32()?,
                last_offset: reader.i64()?,
                offset_delta: reader.i32()?,
                timestamp: reader.i64()?,
            })
        })
        .collect()
}
