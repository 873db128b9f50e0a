//! What a run found, as it is written to JSON and read again by the report. Times are seconds or
//! microseconds as the names say, bytes are bytes, MB and GB are powers of ten.

mod figures;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::workload::Workload;

/// Raised when a field changes its meaning.
pub const FORMAT: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    pub format: u32,
    /// When it began, RFC 3339, UTC.
    pub date: String,
    pub command: Vec<String>,
    /// Of the harness.
    pub version: String,
    pub host: Host,
    /// In the order of the command line, which is the order of the cells.
    pub brokers: Vec<Broker>,
    pub workloads: Vec<WorkloadResult>,
    /// What `ringmain-bench host` found, where it was asked for.
    #[serde(default)]
    pub ceilings: Vec<Ceiling>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Host {
    pub cpu: String,
    pub cpus: usize,
    pub memory_bytes: u64,
    pub kernel: String,
    pub system: String,
    /// File system and device of the brokers' data.
    pub disk: String,
    pub broker_cpus: Vec<usize>,
    pub client_cpus: Vec<usize>,
    /// What other processes used of all CPUs while the run began, in CPUs: not 0 means not quiet.
    pub others_cpus: f64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Broker {
    pub name: String,
    pub version: String,
    pub driver: String,
    /// `lean` (our own), `librdkafka`, or the library of the driver.
    pub client: String,
    /// How it was brought up; empty when it ran already.
    pub command: Vec<String>,
    /// What it was told, and why.
    pub about: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkloadResult {
    pub name: String,
    pub workload: Workload,
    /// One for each broker, in their order.
    pub cells: Vec<Cell>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cell {
    /// The broker's name.
    pub broker: String,
    /// Why there is nothing: the broker cannot do the work, or failed at it.
    pub absent: Option<String>,
    pub rounds: Vec<Round>,
    /// Of the rounds, by the names of `Round::figures`.
    pub summary: BTreeMap<String, Spread>,
    /// Of all rounds together.
    pub latency: Latencies,
}

/// The median of the rounds, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub median: f64,
    pub lowest: f64,
    pub highest: f64,
}

/// One broker doing one workload once. What was before the end of the warm-up is in none of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Round {
    /// From 0; rounds of the brokers take turns.
    pub number: u32,
    pub date: String,
    /// Measured.
    pub seconds: f64,
    /// Whether records were sent by a schedule (open loop); otherwise as fast as answers came, and
    /// latency then counts from the actual sending.
    pub open_loop: bool,
    /// Records a second that the schedule asked for.
    pub target_rate: f64,
    pub produced: Flow,
    pub consumed: Flow,
    /// What the catch-up subscriptions read, or the drain of a backlog.
    pub caught_up: Option<Flow>,
    /// How long the backlog took to be drained.
    pub drain_seconds: Option<f64>,
    pub latency: Latencies,
    pub series: Vec<Sample>,
    /// `None` where the broker's process is not known.
    pub cost: Option<Cost>,
    pub client: ClientUse,
    /// From the start of the process to the first acknowledged record.
    pub start_up_seconds: Option<f64>,
    /// The same after kill -9 under this load, with its data there.
    pub ready_after_kill_seconds: Option<f64>,
    /// Commits of transactions or offsets, connections: what the workload does beside records.
    #[serde(default)]
    pub events: BTreeMap<String, Events>,
    pub warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    pub records: u64,
    /// Of the records' values.
    pub bytes: u64,
    /// Of the record batches as they went over the wire, where the client knows; 0 otherwise.
    pub wire_bytes: u64,
    pub requests: u64,
    pub errors: u64,
    pub records_per_second: f64,
    pub mb_per_second: f64,
}

/// What is counted beside records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Events {
    pub count: u64,
    pub per_second: f64,
    pub errors: u64,
    pub latency: Option<Latency>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Latencies {
    /// From when a record was due to its acknowledgement.
    pub produce: Option<Latency>,
    /// From when a record was due to its arrival at a consumer of the tail.
    pub end_to_end: Option<Latency>,
    /// Of fetches for records that were there when they were asked for.
    pub fetch: Option<Latency>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    pub count: u64,
    pub min_us: f64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p75_us: f64,
    pub p90_us: f64,
    pub p95_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub p9999_us: f64,
    pub max_us: f64,
    /// The whole histogram in nanoseconds: HdrHistogram V2, deflated, base64.
    pub histogram: String,
}

/// A second (about) of the measured time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// The end of the interval, from the beginning of the measured time.
    pub at_seconds: f64,
    pub produced_records_per_second: f64,
    pub produced_mb_per_second: f64,
    pub consumed_records_per_second: f64,
    pub consumed_mb_per_second: f64,
    pub caught_up_mb_per_second: f64,
    pub produce: Option<Points>,
    pub end_to_end: Option<Points>,
    /// Of the broker's process, in CPUs.
    pub broker_cpus: Option<f64>,
    /// Of every CPU of the host, from 0 to 1, whoever used it.
    pub cores: Vec<f64>,
    pub client_cpus: f64,
    pub resident_bytes: Option<u64>,
}

/// Latency within a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Points {
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

/// What the broker used in the measured time, with the kernel's workers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    pub cpu_seconds: f64,
    /// By the name of the thread, the busiest first.
    pub threads: Vec<(String, f64)>,
    /// Runnable, but another had the CPU.
    pub waited_seconds: f64,
    /// Per GB and per million of records that were produced and consumed together.
    pub cpu_seconds_per_gb: f64,
    pub cpu_seconds_per_million_records: f64,
    /// The highest that was seen.
    pub resident_bytes: u64,
    /// What the process had written to the device, by /proc/PID/io.
    pub written_bytes: u64,
    /// The same for each byte of record batches accepted.
    pub written_per_accepted: f64,
    pub read_bytes: u64,
}

/// What the client used: a load generator that is busy measures itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ClientUse {
    pub cpu_seconds: f64,
    /// For each pinned thread: the part of its CPU that it used, from 0 to 1.
    pub threads: Vec<f64>,
    /// How far behind its schedule the client sent what it could have sent at once.
    pub late: Option<Points>,
}

/// A limit of this host, and how near the broker comes where that can be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ceiling {
    pub what: String,
    pub value: f64,
    pub unit: String,
    pub cpu_seconds_per_gb: Option<f64>,
    pub detail: String,
}
