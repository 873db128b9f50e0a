//! What a log must know of its topic's settings, resolved and bounded by whoever opens it. Plain
//! values; changing them on an open log takes effect at the next append, roll or expiry.

use crate::model::DurabilityLevel;
use crate::wire::compression::Compression;

/// Kafka: `message.timestamp.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    #[default]
    CreateTime,
    /// The broker's, stamped over the producer's.
    LogAppendTime,
}

/// How a log is compacted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compaction {
    /// Kafka: `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// Kafka: `min.compaction.lag.ms` and `max.compaction.lag.ms`.
    pub min_lag_ms: i64,
    pub max_lag_ms: i64,
    /// Kafka: `delete.retention.ms`.
    pub delete_retention_ms: i64,
}

impl Default for Compaction {
    /// Kafka's defaults.
    fn default() -> Compaction {
        Compaction {
            min_cleanable_dirty_ratio: 0.5,
            min_lag_ms: 0,
            max_lag_ms: i64::MAX,
            delete_retention_ms: 24 * 60 * 60 * 1000,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogSettings {
    /// Kafka: `segment.bytes`.
    pub segment_bytes: u64,
    /// Kafka: `segment.ms`.
    pub segment_ms: i64,
    /// Kafka: `segment.jitter.ms`; each segment takes its own part of it off `segment_ms`.
    pub segment_jitter_ms: i64,
    /// Kafka: `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// Kafka: `segment.index.bytes`.
    pub segment_index_bytes: u64,
    /// `ringmain.durability`, or `Synced` where `flush.messages` is 1: what a flush works for.
    pub durability: DurabilityLevel,
    pub timestamp_type: TimestampType,
    /// Kafka: `message.timestamp.before.max.ms` and `.after.max.ms`.
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    /// Kafka: `max.message.bytes`, of a whole batch.
    pub max_message_bytes: usize,
    /// Kafka: `compression.type` and the codec's level; `None` leaves batches as they come.
    pub compression: Option<Compression>,
    /// Kafka: `max.decompressed.message.bytes`, of one record.
    pub max_decompressed_message_bytes: usize,
    /// Kafka: `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// Producer ids remembered for the partition.
    pub producer_ids_max: usize,
    /// Kafka: `file.delete.delay.ms`.
    pub file_delete_delay_ms: u64,
    /// Kafka: `flush.messages`: so many records unsynced ask for a sync at any level.
    pub flush_messages: i64,
    /// Kafka: `preallocate`: a segment's file gets all its room at once.
    pub preallocate: bool,
    /// `ringmain.segment.recycle`: so many files of deleted segments wait to be written again.
    pub segments_recycled_max: usize,
    /// Kafka: `retention.ms` and `retention.bytes`; negative for no limit.
    pub retention_ms: i64,
    pub retention_bytes: i64,
    /// Set where `cleanup.policy` names compact; then every record needs a key.
    pub compaction: Option<Compaction>,
}

/// How far a segment's file grows ahead of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) most: u64,
    /// A new file gets all of it, instead of one step after the other.
    pub(super) at_once: bool,
}

impl LogSettings {
    pub(super) fn growth(&self) -> Growth {
        Growth { most: self.segment_bytes, at_once: self.preallocate }
    }
}

impl Default for LogSettings {
    /// Kafka's defaults, with our durability.
    fn default() -> LogSettings {
        LogSettings {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 60 * 60 * 1000,
            segment_jitter_ms: 0,
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
            durability: DurabilityLevel::Synced,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 60 * 60 * 1000,
            max_message_bytes: 1_048_588,
            compression: None,
            max_decompressed_message_bytes: 2_147_483_639,
            producer_id_expiration_ms: 24 * 60 * 60 * 1000,
            producer_ids_max: 100_000,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX,
            preallocate: false,
            segments_recycled_max: 0,
            retention_ms: 7 * 24 * 60 * 60 * 1000,
            retention_bytes: -1,
            compaction: None,
        }
    }
}
