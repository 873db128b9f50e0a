//! How a broker is brought up and reached: the driver files of OpenMessaging Benchmark as they are, with
//! keys of our own beside theirs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::workload::Durability;

/// One driver file. Keys that other drivers of OpenMessaging Benchmark have are kept in `more`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DriverFile {
    /// The broker's name in tables and plots.
    pub name: String,
    /// OpenMessaging Benchmark's Java class; its last part names the driver here.
    pub driver_class: String,
    /// Ours, wins over the class: `kafka`, or one of `drivers/mod.rs`.
    pub driver: String,
    pub replication_factor: Option<i16>,
    pub topic_config: String,
    pub common_config: String,
    pub producer_config: String,
    pub consumer_config: String,
    pub reset: bool,

    /// For each durability that the broker offers: lines laid over `topicConfig`.
    pub durability: BTreeMap<Durability, String>,
    /// How it is brought up; without it, it runs already at `bootstrap.servers`.
    pub launch: Option<Launch>,
    /// What runs already, to be metered.
    pub pid: Option<u32>,
    /// What to say of its configuration, and why it was chosen.
    pub about: String,

    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// Words of a command may hold `{dir}` (a fresh directory of the round), `{port}` (a free port),
/// `{port1}` to `{port7}` (those that follow, free too), `{durability}` (what the work asks for, or `default`),
/// `{cpus}` (what the broker may use, as `0,2,3`), `{root}` (the
/// project's directory) and `{target}` (what cargo builds into).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Launch {
    /// Starts it. It inherits the broker's CPUs.
    pub command: Vec<String>,
    pub environment: BTreeMap<String, String>,
    /// The command ends when the broker is up and has printed its pid as its last line; otherwise the
    /// command is the broker. Descendants are metered with it.
    pub prints_pid: bool,
    /// Run once before the first start in a directory, outside all measurement.
    pub prepare: Vec<String>,
    /// Stops it in order; without it, SIGTERM does.
    pub stop: Vec<String>,
    /// How long it may take to be ready.
    pub ready_seconds: Option<f64>,
    /// Where its data lies below `{dir}`; all of it by default.
    pub data: Option<String>,
    /// Prints the version; `Driver::version` is asked without it.
    pub version: Vec<String>,
}

impl DriverFile {
    pub fn parse(text: &str) -> Result<DriverFile, String> {
        let file: DriverFile = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        if file.name.is_empty() {
            return Err("a driver file needs a name".into());
        }
        Ok(file)
    }

    /// The driver's name in lower case: `kafka` for `io.openmessaging...KafkaBenchmarkDriver`.
    pub fn driver_name(&self) -> String {
        let named = match self.driver.is_empty() {
            true => self.driver_class.rsplit('.').next().unwrap_or_default(),
            false => &self.driver,
        };
        named.trim_end_matches("BenchmarkDriver").to_lowercase()
    }
}
