//! The benchmark harness: drives brokers with the same work, one up at a time, in rounds that take
//! turns, and says what each did and what it cost. See docs/benchmarks.md.

pub mod broker;
pub mod client;
pub mod clock;
pub mod command;
pub mod contestant;
pub mod cpus;
pub mod driven;
pub mod driver;
pub mod driver_file;
pub mod drivers;
pub mod interval_log;
pub mod lean;
pub mod memory;
pub mod meter;
pub mod micro;
pub mod monitor;
pub mod payload;
pub mod peers;
pub mod properties;
pub mod report;
pub mod result;
pub mod round;
pub mod schedule;
pub mod table;
pub mod tally;
pub mod times;
pub mod warnings;
pub mod workload;
pub mod yardstick;
