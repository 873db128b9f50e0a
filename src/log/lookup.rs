//! Questions about offsets: by time, by epoch, by transaction.

use super::Log;
use super::error::{Error, ReadError};
use super::index::{time, txn};
use super::segment::Segment;
use crate::base::buf::Buf;
use crate::config::limits::BATCH_DECOMPRESSED_BYTES_MAX;
use crate::model::{LeaderEpoch, Offset};
use crate::rt::Piece;
use crate::wire::batch::{Batch, BatchError, Batches};
use crate::wire::compression;
use crate::wire::record::RecordReader;

/// Bytes looked at together when the index has led close.
const LOOK: u64 = 64 << 10;

impl Log {
    /// The first record whose timestamp is at least `timestamp`: its timestamp and offset.
    pub async fn offset_for_timestamp(
        &self,
        timestamp: i64,
    ) -> Result<Option<(i64, Offset)>, Error> {
        let segments = self.segments.borrow().clone();
        for segment in &segments {
            segment.learn_timestamps().await?;
            let is_gone = segment.end_offset.get() <= self.log_start_offset.get();
            if segment.max_timestamp.get() < timestamp || is_gone {
                continue;
            }
            let from = segment.offset_before_timestamp(timestamp).await?;
            let from = from.max(self.log_start_offset.get());
            if let Some(found) = self.first_record(from, timestamp).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp of the log (ListOffsets -3): its timestamp and
    /// offset.
    pub async fn max_timestamp(&self) -> Result<Option<(i64, Offset)>, Error> {
        let segments = self.segments.borrow().clone();
        let mut largest = None;
        for segment in segments {
            segment.learn_timestamps().await?;
            if segment.end_offset.get() > self.log_start_offset.get() {
                largest = largest.max(Some(segment.max_timestamp.get()));
            }
        }
        match largest {
            Some(timestamp) => self.offset_for_timestamp(timestamp).await,
            None => Ok(None),
        }
    }

    async fn first_record(
        &self,
        from: Offset,
        timestamp: i64,
    ) -> Result<Option<(i64, Offset)>, Error> {
        let end = self.end_offset.get();
        let mut offset = from;
        while offset < end {
            let plan = match self.read(offset, LOOK, end, true).await {
                Ok(plan) if plan.bytes > 0 => plan,
                Ok(_) | Err(ReadError::OutOfRange { .. }) => break,
                Err(ReadError::Offline(error)) => return Err(error),
            };
            let bytes = gather(plan.pieces).await?;
            for batch in Batches::new(&bytes) {
                let batch = batch.map_err(|why| self.not_a_batch(offset, why))?;
                if batch.header.max_timestamp() >= timestamp
                    && let Some(found) = first_in_batch(&batch, offset, timestamp)
                {
                    return Ok(Some(found));
                }
                offset = batch.header.next_offset();
            }
        }
        Ok(None)
    }

    fn not_a_batch(&self, offset: Offset, why: BatchError) -> Error {
        let path = self.segment_for(offset).log_path();
        Error::corrupt(&path, 0, format!("at offset {offset}: {why}"))
    }

    /// A new leader begins: its records will carry `epoch`.
    pub fn begin_epoch(&self, epoch: LeaderEpoch) {
        if self.epochs.borrow_mut().assign(epoch, self.end_offset.get()) {
            self.epochs_kept.set(false);
        }
    }

    /// The epoch under which the record at `offset` was appended.
    pub fn epoch_at(&self, offset: Offset) -> Option<i32> {
        self.epochs.borrow().epoch_of(offset).map(|epoch| epoch.0)
    }

    /// The largest epoch not above `epoch`, and where it ended (OffsetForLeaderEpoch).
    pub fn epoch_end(&self, epoch: i32) -> Option<(i32, Offset)> {
        let found = self.epochs.borrow().end_offset(LeaderEpoch(epoch), self.end_offset.get());
        found.map(|(epoch, end)| (epoch.0, end))
    }

    /// The aborted transactions that touch `from..to`, for a transactional reader: producer id and
    /// first offset.
    pub fn aborted_transactions(&self, from: Offset, to: Offset) -> Vec<(i64, Offset)> {
        let aborted = self.aborted_between(from, to);
        aborted.iter().map(|txn| (txn.producer_id, txn.first_offset)).collect()
    }

    /// The entries of the transaction indexes that touch `from..to`.
    pub(super) fn aborted_between(&self, from: Offset, to: Offset) -> Vec<txn::Aborted> {
        let mut aborted = Vec::new();
        let segments = self.segments.borrow();
        let after = segments.partition_point(|segment| segment.base_offset <= from);
        for segment in &segments[after.saturating_sub(1)..] {
            let indexes = segment.indexes.borrow();
            if txn::collect(indexes.txn.known(), from, to, &mut aborted) {
                break;
            }
        }
        aborted
    }
}

/// The first record at or behind `from` of at least this time, by its own time where that can be
/// read.
fn first_in_batch(batch: &Batch<'_>, from: Offset, timestamp: i64) -> Option<(i64, Offset)> {
    let header = batch.header;
    if header.record_count() == 0 {
        return None;
    }
    let whole = (header.max_timestamp(), header.base_offset().max(from));
    if header.is_append_time() {
        return Some(whole);
    }
    let payload = header.codec().and_then(|codec| {
        compression::decompress(codec, batch.payload(), BATCH_DECOMPRESSED_BYTES_MAX).ok()
    });
    // What cannot be unpacked is answered with the batch as a whole.
    let Some(payload) = payload else { return Some(whole) };
    RecordReader::new(&payload, header.record_count()).map_while(Result::ok).find_map(|record| {
        let offset = header.base_offset() + Offset::from(record.offset_delta);
        let time = header.base_timestamp().saturating_add(record.timestamp_delta);
        (offset >= from && time >= timestamp).then_some((time, offset))
    })
}

/// Copies what the pieces of a read hold into one buffer.
pub async fn gather(pieces: Vec<Piece>) -> Result<Buf, Error> {
    let bytes: u64 = pieces.iter().map(Piece::len).sum();
    let mut out = Buf::with_capacity(bytes as usize);
    for piece in pieces {
        match piece {
            Piece::Bytes(slice) => out.extend_from_slice(&slice),
            Piece::File(range) => {
                let len = range.len as usize;
                let (result, buf) =
                    range.file.read_at(Buf::with_capacity(len), range.pos, len).await;
                let name = || range.file.name();
                result.map_err(|error| Error::io(&name(), Some(range.pos), &error))?;
                if buf.len() < len {
                    return Err(Error::corrupt(&name(), range.pos, "the file is too short"));
                }
                out.extend_from_slice(&buf);
            }
        }
    }
    Ok(out)
}

impl Segment {
    /// Reads the largest timestamp of a segment of which only the files are known.
    pub(super) async fn learn_timestamps(&self) -> Result<(), Error> {
        if self.knows_timestamps.get() {
            return Ok(());
        }
        self.load_indexes().await?;
        let last = self.indexes.borrow().time.all().and_then(|entries| entries.last().copied());
        if let Some(last) = last {
            self.max_timestamp.set(last.timestamp);
            self.max_timestamp_offset.set(self.base_offset + Offset::from(last.relative));
        }
        self.knows_timestamps.set(true);
        Ok(())
    }

    /// Reads the time of the first batch of a segment of which only the files are known.
    pub(super) async fn learn_first_timestamp(&self) -> Result<(), Error> {
        if self.first_timestamp.get() < 0
            && let Some(first) = self.locate(self.base_offset).await?
        {
            self.first_timestamp.set(first.header.max_timestamp);
        }
        Ok(())
    }

    /// An offset at or before the first record of at least this time.
    async fn offset_before_timestamp(&self, timestamp: i64) -> Result<Offset, Error> {
        self.load_indexes().await?;
        let indexes = self.indexes.borrow();
        let before = time::before(indexes.time.known(), timestamp);
        Ok(self.base_offset + before.map_or(0, |entry| Offset::from(entry.relative)))
    }
}
