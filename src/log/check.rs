//! What a batch must be to get into the log, apart from what the producers' state says of it.

use std::borrow::Cow;

use super::error::AppendError;
use super::header::Header;
use super::producers::Origin;
use super::settings::{LogSettings, TimestampType};
use crate::config::limits::RECORD_ERRORS_PER_BATCH_MAX;
use crate::wire::batch::{self, Batch, BatchError, BatchHeader};
use crate::wire::compression::Codec;
use crate::wire::record::{self, RecordsSeen};

/// A batch that is in order, and what its records look like; `None` where nobody looked: they are
/// compressed, or not from a client.
pub(super) struct Checked<'a> {
    pub(super) header: Header,
    pub(super) view: BatchHeader<'a>,
    /// The records: as they came, unless they were unpacked.
    pub(super) payload: Cow<'a, [u8]>,
    pub(super) seen: Option<RecordsSeen>,
}

/// Checks the one batch of a request, of a producer or of a coordinator.
pub(super) fn one(bytes: &[u8], origin: Origin) -> Result<Checked<'_>, AppendError> {
    if origin != Origin::Client {
        let header = whole(bytes)?;
        if header.len != bytes.len() {
            return Err(AppendError::Batch(BatchError::SeveralBatches));
        }
        let batch = Batch::first(bytes).map_err(AppendError::Batch)?;
        let payload = Cow::Borrowed(batch.payload());
        return Ok(Checked { header, view: batch.header, payload, seen: None });
    }
    let view = batch::validate(bytes).map_err(AppendError::Batch)?;
    let header = Header::of(view);
    if header.is_control {
        return Err(AppendError::ControlBatch);
    }
    // Compressed records stay as they came, and unseen, unless the topic has a codec of its own.
    let payload = &bytes[batch::HEADER_SIZE..];
    let seen = match view.codec() {
        Some(Codec::None) => Some(record::walk(view, payload)),
        _ => None,
    };
    let seen = seen.transpose().map_err(AppendError::Batch)?;
    Ok(Checked { header, view, payload: Cow::Borrowed(payload), seen })
}

/// Checks the first batch of several.
pub(super) fn whole(bytes: &[u8]) -> Result<Header, AppendError> {
    let header = Header::read(bytes).map_err(AppendError::Batch)?;
    let batch = Batch::first(bytes).map_err(AppendError::Batch)?;
    batch.check_crc().map_err(AppendError::Batch)?;
    Ok(header)
}

impl Checked<'_> {
    /// Checks a client's records against the topic's settings. Yields the youngest one's time where
    /// the header has it wrong: indexes and retention go by it.
    pub(super) fn suits(
        &self,
        settings: &LogSettings,
        now_ms: i64,
    ) -> Result<Option<i64>, AppendError> {
        let header = &self.header;
        if settings.compaction.is_some()
            && self.seen.is_some_and(|seen| seen.first_without_key.is_some())
        {
            return Err(AppendError::NoKey(self.misfits(|_, has_key| !has_key)));
        }
        if settings.timestamp_type == TimestampType::LogAppendTime {
            return Ok(None);
        }
        let (min, max) = match self.seen {
            Some(seen) => (seen.min_timestamp, seen.max_timestamp),
            // Of compressed records the header says most: the first one's time and the last one's.
            None if header.base_timestamp == record::NO_TIMESTAMP => {
                (i64::MAX, header.max_timestamp)
            }
            None => (header.base_timestamp, header.max_timestamp),
        };
        let oldest = now_ms.saturating_sub(settings.timestamp_before_max_ms);
        let newest = now_ms.saturating_add(settings.timestamp_after_max_ms);
        if min < oldest || max > newest {
            let records = match self.seen {
                Some(_) => self
                    .misfits(|time, _| time.is_some_and(|time| !(oldest..=newest).contains(&time))),
                None => Vec::new(),
            };
            return Err(AppendError::Timestamp(records));
        }
        Ok((max != header.max_timestamp).then_some(max))
    }

    fn misfits(&self, is_misfit: impl Fn(Option<i64>, bool) -> bool) -> Vec<i32> {
        record::misfits(self.view, &self.payload, RECORD_ERRORS_PER_BATCH_MAX, is_misfit)
    }
}
