//! A client's batch under the codec of its topic, where `compression.type` names one and the batch came
//! with another (Kafka: LogValidator). Nothing but codec, length and checksum becomes different:
//! times, sequence numbers and the producer stay.
//!
//! It happens while the append waits, on the core that owns the partition: what that may cost is
//! bounded by `max.message.bytes`, and by what a batch may grow to when it is decompressed.

use std::borrow::Cow;

use super::check::Checked;
use super::error::AppendError;
use super::settings::LogSettings;
use crate::base::planted;
use crate::config::limits::BATCH_DECOMPRESSED_BYTES_MAX;
use crate::wire::batch::{self, BatchError, Thinned};
use crate::wire::compression::{self, Codec, Compression, CompressionError};
use crate::wire::record;

impl Checked<'_> {
    /// What the batch must be compressed with instead of what it is.
    pub(super) fn other_compression(&self, settings: &LogSettings) -> Option<Compression> {
        settings.compression.filter(|to| self.view.codec() != Some(to.codec))
    }

    /// Decompresses the records and looks through them, as otherwise only through those that came
    /// uncompressed.
    pub(super) fn unpack(&mut self, settings: &LogSettings) -> Result<(), AppendError> {
        let codec = self.view.codec().unwrap_or_default();
        if codec == Codec::None {
            return Ok(());
        }
        let most = BATCH_DECOMPRESSED_BYTES_MAX;
        let payload =
            compression::decompress(codec, &self.payload, most).map_err(|error| match error {
                CompressionError::Corrupt => AppendError::Batch(BatchError::Records),
                CompressionError::TooLarge => AppendError::UnpacksTooLarge { most },
            })?;
        self.seen = Some(record::walk(self.view, &payload).map_err(AppendError::Batch)?);
        let most = settings.max_decompressed_message_bytes;
        if record::longest(self.view, &payload) > most && !planted::is("unpack-without-a-limit") {
            return Err(AppendError::RecordTooLarge { most });
        }
        self.payload = Cow::Owned(payload);
        Ok(())
    }

    /// The batch anew; it was unpacked before.
    pub(super) fn repack(
        &self,
        to: Compression,
        settings: &LogSettings,
    ) -> Result<Vec<u8>, AppendError> {
        let payload = compression::compress(to, &self.payload);
        let thinned = Thinned {
            base_timestamp: self.view.base_timestamp(),
            max_timestamp: self.view.max_timestamp(),
            record_count: self.view.record_count(),
            has_delete_horizon: false,
            codec: to.codec,
        };
        let bytes = batch::thin_out(&self.view, thinned, &payload);
        let bytes = bytes.expect("what a batch may hold is far below what its length can say");
        let most = settings.max_message_bytes;
        match bytes.len() > most {
            true => Err(AppendError::TooLarge { bytes: bytes.len(), most }),
            false => Ok(bytes),
        }
    }
}
