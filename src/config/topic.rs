//! The settings of a topic: Kafka's, with Kafka's defaults, and one of ours.
//!
//! Each is online: a change is obeyed by what is written or cleaned from then on. What a topic
//! does not set comes from the broker settings it names, in their order, and then from here.

use std::sync::LazyLock;

use super::choice::{CleanupPolicy, CompressionType, DURABILITY_NAMES, TimestampType};
use super::limits::{BATCH_BYTES_MAX, SEGMENTS_RECYCLED_MAX};
use super::property::properties;
use super::{BrokerSettings, Invalid, Kind, Overrides, Table};
use crate::model::DurabilityLevel;

properties! {
    /// What the log of one topic obeys.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct TopicConfig;
    fn properties;
    read {
        /// When an acknowledgement to acks=all is given: `relaxed` once the records are in memory,
        /// `written` once they are written to the device (survives the end of the process),
        /// `synced` once they are flushed to stable media (survives the loss of power). acks=1 is
        /// answered at `written`, or at `relaxed` where that is set.
        "ringmain.durability" as durability: DurabilityLevel, Kind::OneOf(DURABILITY_NAMES)
            => "synced", Online, High, from ["ringmain.durability"];
        /// What is done with old segments: `delete` drops them by age and size, `compact` keeps the
        /// last record of each key. Both may be named; with neither everything is kept.
        "cleanup.policy" as cleanup_policy: CleanupPolicy, Kind::ListOf(CleanupPolicy::NAMES)
            => "delete", Online, Medium, from ["log.cleanup.policy"];
        /// How batches are compressed on disk. `producer` keeps them as they came; with any other
        /// value, batches that came otherwise are compressed anew on the core that owns the
        /// partition, which does nothing else meanwhile.
        "compression.type" as compression_type: CompressionType,
            Kind::OneOf(CompressionType::NAMES)
            => "producer", Online, Medium, from ["compression.type"];
        /// The level where compression.type is `gzip`; -1 is the codec's own default.
        "compression.gzip.level" as compression_gzip_level: i32, Kind::int_or(-1, 1, 9)
            => "-1", Online, Medium, from ["compression.gzip.level"];
        /// The level where compression.type is `lz4`. 9 is the quick compressor, every other level
        /// the thorough one, as in Kafka; what is above 12 is 12.
        "compression.lz4.level" as compression_lz4_level: i32, Kind::int(1, 17)
            => "9", Online, Medium, from ["compression.lz4.level"];
        /// The level where compression.type is `zstd`.
        "compression.zstd.level" as compression_zstd_level: i32, Kind::int(-131_072, 22)
            => "3", Online, Medium, from ["compression.zstd.level"];
        /// How long a compacted topic keeps the markers of deleted keys, in milliseconds: the time
        /// in which a consumer that began at the start must have read everything.
        "delete.retention.ms" as delete_retention_ms: i64, Kind::long_from(0)
            => "86400000", Online, Medium, from ["log.cleaner.delete.retention.ms"];
        /// How long a removed segment's file stays, in milliseconds, for readers that still hold it.
        "file.delete.delay.ms" as file_delete_delay_ms: i64, Kind::long_from(0)
            => "60000", Online, Medium, from ["log.segment.delete.delay.ms"];
        /// Records after which a sync is forced where `ringmain.durability` does not ask for one. 1
        /// means `synced`; with other values acknowledgements go by the level all the same.
        "flush.messages" as flush_messages: i64, Kind::long_from(1)
            => "9223372036854775807", Online, Medium, from ["log.flush.interval.messages"];
        /// Milliseconds after which a sync is forced of what was appended, where
        /// `ringmain.durability` does not ask for one anyway. Acknowledgements do not wait for it.
        "flush.ms" as flush_ms: i64, Kind::long_from(0)
            => "9223372036854775807", Online, Medium,
            from ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];
        /// Bytes of log between two entries of the offset index.
        "index.interval.bytes" as index_interval_bytes: i32, Kind::int_from(0)
            => "4096", Online, Medium, from ["log.index.interval.bytes"];
        /// Milliseconds after which a record must be considered for compaction, however little of
        /// the log is dirty.
        "max.compaction.lag.ms" as max_compaction_lag_ms: i64, Kind::long_from(1)
            => "9223372036854775807", Online, Medium, from ["log.cleaner.max.compaction.lag.ms"];
        /// Bytes of the largest record in a compressed batch which the broker decompresses because
        /// compression.type is another codec. All records of such a batch together may have
        /// 67108864, whatever is set here. Batches that are kept as they came are not decompressed.
        "max.decompressed.message.bytes" as max_decompressed_message_bytes: i32, Kind::int_from(1)
            => "2147483639", Online, Medium, from ["max.decompressed.message.bytes"];
        /// Bytes of the largest record batch that is accepted, as it travels, compressed or not.
        "max.message.bytes" as max_message_bytes: i32, Kind::int(0, BATCH_BYTES_MAX as i32)
            => "1048588", Online, Medium, from ["message.max.bytes"];
        /// How far a record's own timestamp may lie behind the broker's clock, in milliseconds.
        "message.timestamp.before.max.ms" as message_timestamp_before_max_ms: i64,
            Kind::long_from(0)
            => "9223372036854775807", Online, Medium,
            from ["log.message.timestamp.before.max.ms"];
        /// How far a record's own timestamp may lie ahead of the broker's clock, in milliseconds.
        "message.timestamp.after.max.ms" as message_timestamp_after_max_ms: i64, Kind::long_from(0)
            => "3600000", Online, Medium, from ["log.message.timestamp.after.max.ms"];
        /// Whose clock stamps records: the producer's (`CreateTime`) or ours (`LogAppendTime`).
        "message.timestamp.type" as message_timestamp_type: TimestampType,
            Kind::OneOf(TimestampType::NAMES)
            => "CreateTime", Online, Medium, from ["log.message.timestamp.type"];
        /// The part of a compacted log that may be dirty before it is cleaned.
        "min.cleanable.dirty.ratio" as min_cleanable_dirty_ratio: f64,
            Kind::Double { min: 0.0, max: 1.0 }
            => "0.5", Online, Medium, from ["log.cleaner.min.cleanable.ratio"];
        /// Milliseconds for which a record is not compacted away.
        "min.compaction.lag.ms" as min_compaction_lag_ms: i64, Kind::long_from(0)
            => "0", Online, Medium, from ["log.cleaner.min.compaction.lag.ms"];
        /// Replicas in sync, the leader among them, that acks=all asks for.
        "min.insync.replicas" as min_insync_replicas: i32, Kind::int_from(1)
            => "1", Online, Medium, from ["min.insync.replicas"];
        /// Whether a new segment's file is given all its blocks at once, and not in steps that grow.
        /// Where the disk has no room for a whole segment, it is steps again.
        "preallocate" as preallocate: bool, Kind::Bool
            => "false", Online, Medium, from ["log.preallocate"];
        /// Bytes of a partition beyond which its oldest segments are deleted; below 0 is no limit.
        "retention.bytes" as retention_bytes: i64, Kind::long_from(i64::MIN)
            => "-1", Online, Medium, from ["log.retention.bytes"];
        /// Milliseconds after which a segment is deleted; -1 is never.
        "retention.ms" as retention_ms: i64, Kind::long_from(-1)
            => "604800000", Online, Medium,
            from ["log.retention.ms", "log.retention.minutes" * 60_000,
                "log.retention.hours" * 3_600_000];
        /// So many files of a partition's deleted segments are kept and written again: where blocks
        /// were written before, making a batch durable costs the disk a fraction. They count neither
        /// as the topic's size nor towards retention, and are given up first when the disk fills up.
        /// docs/disk.md says what a crash leaves behind the end of such a segment, and why this is
        /// for topics only whose producers are trusted.
        "ringmain.segment.recycle" as segment_recycle: i32, Kind::int(0, SEGMENTS_RECYCLED_MAX)
            => "0", Online, Medium, from ["ringmain.segment.recycle"];
        /// Bytes of a segment, after which the next one is begun.
        "segment.bytes" as segment_bytes: i32, Kind::int_from(1 << 20)
            => "1073741824", Online, Medium, from ["log.segment.bytes"];
        /// Bytes of a segment's offset index; a full index ends its segment.
        "segment.index.bytes" as segment_index_bytes: i32, Kind::int_from(12)
            => "10485760", Online, Medium, from ["log.index.size.max.bytes"];
        /// Up to how much is taken off segment.ms by chance, in milliseconds, so that segments of
        /// many partitions do not end together.
        "segment.jitter.ms" as segment_jitter_ms: i64, Kind::long_from(0)
            => "0", Online, Medium,
            from ["log.roll.jitter.ms", "log.roll.jitter.hours" * 3_600_000];
        /// Milliseconds after which the next segment is begun, full or not.
        "segment.ms" as segment_ms: i64, Kind::long_from(1)
            => "604800000", Online, Medium,
            from ["log.roll.ms", "log.roll.hours" * 3_600_000];
        /// Whether a replica out of sync may become leader, at the price of losing records. Accepted
        /// for Kafka's tools; one host has no other replicas.
        "unclean.leader.election.enable" as unclean_leader_election_enable: bool, Kind::Bool
            => "false", Online, Medium, from ["unclean.leader.election.enable"];
    }
    accepted {
        /// Whether share groups may write what they give up to this topic. Accepted for Kafka's
        /// tools; there are no share groups.
        "errors.deadletterqueue.group.enable": Kind::Bool => "false", Online, Medium;
        /// Replicas whose replication is throttled on the leader's side. Accepted for Kafka's
        /// tools; one host replicates nothing.
        "leader.replication.throttled.replicas": Kind::ListOf(&[]) => "", Online, Medium;
        /// Replicas whose replication is throttled on the follower's side. Accepted for Kafka's
        /// tools; one host replicates nothing.
        "follower.replication.throttled.replicas": Kind::ListOf(&[]) => "", Online, Medium;
        /// Bytes kept here where a topic also has remote storage; -2 means retention.bytes.
        /// Accepted for Kafka's tools; no topic has remote storage.
        "local.retention.bytes": Kind::long_from(-2) => "-2", Online, Medium,
            from ["log.local.retention.bytes"];
        /// Milliseconds kept here where a topic also has remote storage; -2 means retention.ms.
        /// Accepted for Kafka's tools; no topic has remote storage.
        "local.retention.ms": Kind::long_from(-2) => "-2", Online, Medium,
            from ["log.local.retention.ms"];
    }
}

/// Every topic setting.
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(properties()));

impl TopicConfig {
    /// What holds for a topic with these settings of its own on this broker.
    pub fn resolve(overrides: &Overrides, broker: &BrokerSettings) -> TopicConfig {
        let mut config = TopicConfig::read_with(|name| {
            let property = TABLE.get(name).expect("declared here");
            broker.topic_value(property, overrides).map(|value| value.into_owned())
        });
        if config.flush_messages == 1 {
            config.durability = DurabilityLevel::Synced;
        }
        config
    }

    /// Checks each setting and all together.
    pub fn validate(overrides: &Overrides, broker: &BrokerSettings) -> Result<(), Invalid> {
        TABLE.validate_all(overrides)?;
        let config = TopicConfig::resolve(overrides, broker);
        if config.min_compaction_lag_ms > config.max_compaction_lag_ms {
            return Err(Invalid::Together(format!(
                "min.compaction.lag.ms ({}) is greater than max.compaction.lag.ms ({})",
                config.min_compaction_lag_ms, config.max_compaction_lag_ms
            )));
        }
        Ok(())
    }
}

/// Every setting at its default.
impl Default for TopicConfig {
    fn default() -> TopicConfig {
        TopicConfig::resolve(&Overrides::new(), &BrokerSettings::default())
    }
}
