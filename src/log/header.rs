//! What the log keeps of a batch's header: the fields it works with, out of the bytes.

use crate::wire::batch::{BatchError, BatchHeader, HEADER_SIZE};

/// Bytes that must be there for a header to be read.
pub(super) const HEADER: usize = HEADER_SIZE;

/// The fields of one header; offsets are not negative and do not fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) base_offset: i64,
    pub(super) last_offset_delta: i32,
    /// Bytes of the whole batch.
    pub(super) len: usize,
    pub(super) leader_epoch: i32,
    pub(super) base_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base_sequence: i32,
    pub(super) last_sequence: i32,
    pub(super) is_transactional: bool,
    pub(super) is_control: bool,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Header, BatchError> {
        let view = BatchHeader::peek(bytes)?;
        if view.base_offset() < 0 || view.last_offset_delta() < 0 || view.last_offset() < 0 {
            return Err(BatchError::BaseOffset);
        }
        Ok(Header::of(view))
    }

    pub(super) fn of(view: BatchHeader<'_>) -> Header {
        Header {
            base_offset: view.base_offset(),
            last_offset_delta: view.last_offset_delta(),
            len: view.size(),
            leader_epoch: view.partition_leader_epoch(),
            base_timestamp: view.base_timestamp(),
            max_timestamp: view.max_timestamp(),
            producer_id: view.producer_id(),
            producer_epoch: view.producer_epoch(),
            base_sequence: view.base_sequence(),
            last_sequence: view.last_sequence(),
            is_transactional: view.is_transactional(),
            is_control: view.is_control(),
        }
    }

    pub(super) fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }
}
