//! What a simulation draws its delays and faults from. Everything has a default that is quick and
//! free of faults except for what every crash does anyway; tests turn the screws they need.

use std::ops::Range;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Virtual time that one poll of a task takes, in nanoseconds.
    pub step_nanos: Range<u64>,
    /// Polls after which a simulation is taken for one that never ends.
    pub steps_max: u64,
    pub task_order: TaskOrder,
    /// Chance in a million, with every poll, that some task is polled for no reason as well, which
    /// futures must bear. It may also hide that a wake-up was lost: not for every simulation.
    pub idle_polls_ppm: u32,
    pub disk: DiskOptions,
    pub net: NetOptions,
    /// From one core to another of the same host.
    pub mesh_delay: Delay,
    pub talk: Talk,
}

/// What is printed to the standard error stream, for reading what one seed does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Talk {
    Silent,
    /// The lines for the operator.
    Notices,
    /// Every event too.
    Events,
}

/// Which runnable task of a core runs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskOrder {
    /// Any: the harshest reading of what an executor may do.
    Any,
    /// First come first served on each core, any core next: close to the real executor.
    Fifo,
}

/// Between `min` and `max`, and `spike` longer in `spike_ppm` cases of a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    pub min: Duration,
    pub max: Duration,
    pub spike: Duration,
    pub spike_ppm: u32,
}

impl Delay {
    pub const fn between_us(min: u64, max: u64) -> Delay {
        Delay {
            min: Duration::from_micros(min),
            max: Duration::from_micros(max),
            spike: Duration::ZERO,
            spike_ppm: 0,
        }
    }
}

#[derive(Clone, Debug)]
pub struct DiskOptions {
    /// Size of the file system in bytes.
    pub capacity: u64,
    pub read: Delay,
    pub write: Delay,
    pub sync: Delay,
    /// Opening, renaming, removing, listing, allocating.
    pub metadata: Delay,
    /// Chances of EIO, in a million.
    pub read_error_ppm: u32,
    pub write_error_ppm: u32,
    pub sync_error_ppm: u32,
    /// A failed sync also loses what was written past the page cache, although a later one
    /// succeeds. Without it a later sync covers such writes, as flushing a device's cache does.
    pub failed_sync_loses_direct: bool,
    /// Of the sector writes that a power cut interrupts, so many in a million leave garbage in
    /// their sector (a disk without atomic sectors).
    pub garbage_ppm: u32,
}

#[derive(Clone, Debug)]
pub struct NetOptions {
    /// From sending to arrival, per piece sent.
    pub delay: Delay,
    /// Bytes that a connection holds in each direction, sent and not yet received.
    pub buffer_bytes: usize,
    /// Receives yield less than what has arrived now and then.
    pub split_receives: bool,
    /// Chance in a million that a piece sent resets its connection instead.
    pub reset_ppm: u32,
    /// How long a connect to a host that does not answer takes to fail.
    pub connect_timeout: Duration,
    /// Connections that wait in a listener for their accept.
    pub backlog: usize,
    /// Percentage of connections that a power cut leaves half open: the peer hears nothing until
    /// it sends something to the restarted host.
    pub half_open_percent: u32,
}

impl Default for SimOptions {
    fn default() -> Self {
        SimOptions {
            step_nanos: 100..2_000,
            steps_max: 20_000_000,
            task_order: TaskOrder::Any,
            idle_polls_ppm: 0,
            disk: DiskOptions::default(),
            net: NetOptions::default(),
            mesh_delay: Delay::between_us(0, 5),
            talk: Talk::Silent,
        }
    }
}

impl Default for DiskOptions {
    fn default() -> Self {
        DiskOptions {
            capacity: 64 << 30,
            read: Delay::between_us(20, 200),
            write: Delay::between_us(20, 400),
            sync: Delay::between_us(50, 1_000),
            metadata: Delay::between_us(5, 100),
            read_error_ppm: 0,
            write_error_ppm: 0,
            sync_error_ppm: 0,
            failed_sync_loses_direct: false,
            garbage_ppm: 0,
        }
    }
}

impl Default for NetOptions {
    fn default() -> Self {
        NetOptions {
            delay: Delay::between_us(20, 300),
            buffer_bytes: 128 << 10,
            split_receives: true,
            reset_ppm: 0,
            connect_timeout: Duration::from_secs(5),
            backlog: 128,
            half_open_percent: 0,
        }
    }
}
