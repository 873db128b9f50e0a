//! The control batch that ends a transaction, read. The only record the log ever decodes.
//!
//! ```text
//! key:   version i16 | type i16 (0 abort, 1 commit)
//! value: version i16 | coordinator epoch i32
//! ```

use super::producers::Marker;
use crate::wire::batch::Batch;
use crate::wire::record::RecordReader;

/// `None` for a control batch that ends no transaction (a leader change, say), or is damaged.
pub(super) fn read(batch: &[u8], txn_version: i16) -> Option<Marker> {
    let batch = Batch::first(batch).ok()?;
    let record = RecordReader::new(batch.payload(), batch.header.record_count()).next()?.ok()?;
    let kind = match *record.key?.get(2..4)? {
        [0, 0] => false,
        [0, 1] => true,
        _ => return None,
    };
    let value = record.value?.get(2..6)?;
    let coordinator_epoch = i32::from_be_bytes(value.try_into().ok()?);
    Some(Marker {
        producer_id: batch.header.producer_id(),
        epoch: batch.header.producer_epoch(),
        coordinator_epoch,
        commit: kind,
        timestamp: batch.header.base_timestamp().wrapping_add(record.timestamp_delta),
        txn_version,
    })
}
