//! What a topic's settings and the broker's come to for a log of that topic.

use crate::config::BrokerConfig;
use crate::config::choice::{CompressionType, TimestampType};
use crate::config::topic::TopicConfig;
use crate::log::{self, Compaction, LogSettings};
use crate::wire::compression::{Codec, Compression};

pub fn of(config: &TopicConfig, broker: &BrokerConfig) -> LogSettings {
    let deletes = config.cleanup_policy.delete;
    let compacts = config.cleanup_policy.compact;
    // What is active is never cleaned, so it must not grow older than a record may wait.
    let lag_ms = if compacts { config.max_compaction_lag_ms } else { i64::MAX };
    LogSettings {
        segment_bytes: config.segment_bytes as u64,
        segment_ms: config.segment_ms.min(lag_ms),
        segment_jitter_ms: config.segment_jitter_ms,
        index_interval_bytes: config.index_interval_bytes as u64,
        segment_index_bytes: config.segment_index_bytes as u64,
        durability: config.durability,
        timestamp_type: match config.message_timestamp_type {
            TimestampType::CreateTime => log::TimestampType::CreateTime,
            TimestampType::LogAppendTime => log::TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: config.message_timestamp_before_max_ms,
        timestamp_after_max_ms: config.message_timestamp_after_max_ms,
        max_message_bytes: config.max_message_bytes as usize,
        compression: compression(config),
        max_decompressed_message_bytes: config.max_decompressed_message_bytes as usize,
        producer_id_expiration_ms: i64::from(broker.producer_id_expiration_ms),
        producer_ids_max: broker.producer_ids_per_partition_max as usize,
        file_delete_delay_ms: config.file_delete_delay_ms as u64,
        flush_messages: config.flush_messages,
        preallocate: config.preallocate,
        segments_recycled_max: config.segment_recycle as usize,
        retention_ms: if deletes { config.retention_ms } else { -1 },
        retention_bytes: if deletes { config.retention_bytes } else { -1 },
        compaction: compacts.then_some(Compaction {
            min_cleanable_dirty_ratio: config.min_cleanable_dirty_ratio,
            min_lag_ms: config.min_compaction_lag_ms,
            max_lag_ms: config.max_compaction_lag_ms,
            delete_retention_ms: config.delete_retention_ms,
        }),
    }
}

/// For which Kafka takes the quick compressor of LZ4.
const LZ4_LEVEL_QUICK: i32 = 9;

/// What batches are compressed with that came otherwise.
fn compression(config: &TopicConfig) -> Option<Compression> {
    let (codec, level) = match config.compression_type {
        CompressionType::Producer => return None,
        CompressionType::Uncompressed => (Codec::None, None),
        CompressionType::Snappy => (Codec::Snappy, None),
        CompressionType::Gzip => {
            (Codec::Gzip, Some(config.compression_gzip_level).filter(|&level| level > 0))
        }
        CompressionType::Lz4 => {
            let level = config.compression_lz4_level;
            (Codec::Lz4, Some(level).filter(|&level| level != LZ4_LEVEL_QUICK))
        }
        CompressionType::Zstd => (Codec::Zstd, Some(config.compression_zstd_level)),
    };
    Some(Compression { codec, level })
}
