//! What is to be done: the workload files of OpenMessaging Benchmark as they are, with keys of our own
//! beside theirs.

use serde::{Deserialize, Serialize};

/// Kafka's default, when nobody says otherwise.
const WARMUP_MINUTES: f64 = 1.0;

/// One workload file. Unknown keys are refused: a typing error would measure something else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    pub name: String,
    pub topics: u32,
    pub partitions_per_topic: u32,
    #[serde(default)]
    pub key_distributor: KeyDistributor,
    pub message_size: usize,
    /// Payloads are made of random bytes to this part, the rest of one byte that repeats.
    #[serde(default)]
    pub use_randomized_payloads: bool,
    #[serde(default)]
    pub random_bytes_ratio: f64,
    #[serde(default)]
    pub randomized_payload_pool_size: usize,
    /// Looked for as given, and beside the workload file. Where it is not there, random bytes of
    /// `messageSize` serve, and the result says so.
    #[serde(default)]
    pub payload_file: Option<String>,
    pub subscriptions_per_topic: u32,
    pub consumer_per_subscription: u32,
    pub producers_per_topic: u32,
    /// Records a second of all producers together; 0 sends as fast as answers come (closed loop).
    pub producer_rate: f64,
    /// GB (10^9) written before the consumers start.
    #[serde(default, rename = "consumerBacklogSizeGB")]
    pub consumer_backlog_size_gb: f64,
    /// The part of the backlog after which it counts as drained.
    #[serde(default = "one")]
    pub backlog_drain_ratio: f64,
    #[serde(default)]
    pub test_duration_minutes: f64,
    #[serde(default = "warmup_minutes")]
    pub warmup_duration_minutes: f64,
    /// Of OpenMessaging Benchmark; without meaning here.
    #[serde(default)]
    pub log_client_config: bool,

    // What follows is ours.
    /// In seconds; wins over the minutes.
    #[serde(default)]
    pub test_duration_seconds: Option<f64>,
    #[serde(default)]
    pub warmup_duration_seconds: Option<f64>,
    /// What an acknowledgement must promise; the driver file says how its broker is told so.
    #[serde(default)]
    pub durability: Option<Durability>,
    /// Properties laid over those of the driver file.
    #[serde(default)]
    pub topic_config: String,
    #[serde(default)]
    pub producer_config: String,
    #[serde(default)]
    pub consumer_config: String,
    /// Subscriptions that read the backlog from its beginning, over and over, beside the others,
    /// which then stay at the tail.
    #[serde(default)]
    pub catch_up_subscriptions: u32,
    /// The backlog is dropped from the page cache before it is read.
    #[serde(default)]
    pub cold: bool,
    /// Transactions are committed after this long (needs `transactional.id` in `producerConfig`).
    #[serde(default)]
    pub transaction_milliseconds: Option<f64>,
    /// Connections opened, greeted and closed each second, beside everything else.
    #[serde(default)]
    pub connections_per_second: f64,
    /// What it is for, shown to whoever reads the result.
    #[serde(default)]
    pub about: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyDistributor {
    /// Null keys; partitions in turn.
    #[default]
    NoKey,
    /// Keys of a small set, in turn; a key's partition is Kafka's hash of it.
    KeyRoundRobin,
    /// Keys of the same set, by chance.
    RandomNano,
}

/// What an acknowledgement promises; the words are Ringmain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Nothing.
    Relaxed,
    /// Survives the death of the broker's process.
    Written,
    /// On stable media.
    Synced,
}

impl Durability {
    pub fn name(self) -> &'static str {
        match self {
            Durability::Relaxed => "relaxed",
            Durability::Written => "written",
            Durability::Synced => "synced",
        }
    }
}

fn one() -> f64 {
    1.0
}

fn warmup_minutes() -> f64 {
    WARMUP_MINUTES
}

impl Workload {
    pub fn parse(text: &str) -> Result<Workload, String> {
        let workload: Workload = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        workload.check()?;
        Ok(workload)
    }

    pub fn test_seconds(&self) -> f64 {
        self.test_duration_seconds.unwrap_or(self.test_duration_minutes * 60.0)
    }

    pub fn warmup_seconds(&self) -> f64 {
        self.warmup_duration_seconds.unwrap_or(self.warmup_duration_minutes * 60.0)
    }

    pub fn producers(&self) -> u32 {
        self.topics * self.producers_per_topic
    }

    pub fn consumers(&self) -> u32 {
        self.topics * self.subscriptions_per_topic * self.consumer_per_subscription
    }

    /// Each bound by itself, so that the message names the key.
    fn check(&self) -> Result<(), String> {
        let bounds: [(&str, f64, f64, f64); 9] = [
            ("topics", self.topics.into(), 1.0, 1e6),
            ("partitionsPerTopic", self.partitions_per_topic.into(), 1.0, 1e5),
            ("messageSize", self.message_size as f64, 0.0, (64 << 20) as f64),
            ("producersPerTopic", self.producers_per_topic.into(), 0.0, 1e4),
            ("consumerPerSubscription", self.consumer_per_subscription.into(), 0.0, 1e4),
            ("subscriptionsPerTopic", self.subscriptions_per_topic.into(), 0.0, 1e4),
            ("producerRate", self.producer_rate, 0.0, 1e9),
            ("consumerBacklogSizeGB", self.consumer_backlog_size_gb, 0.0, 1e6),
            ("connectionsPerSecond", self.connections_per_second, 0.0, 1e6),
        ];
        for (key, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                return Err(format!("{key} is {value}, and must lie from {least} to {most}"));
            }
        }
        if !(0.0..=1.0).contains(&self.random_bytes_ratio) {
            return Err("randomBytesRatio must lie from 0 to 1".into());
        }
        if !(0.0..=1.0).contains(&self.backlog_drain_ratio) {
            return Err("backlogDrainRatio must lie from 0 to 1".into());
        }
        if self.test_seconds() <= 0.0 || self.warmup_seconds() < 0.0 {
            return Err("testDurationMinutes (or testDurationSeconds) must be more than 0".into());
        }
        Ok(())
    }
}
