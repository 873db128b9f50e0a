//! The benchmark harness: drives brokers with the same work, one up at a time, in rounds that take
//! turns, and says what each did and what it cost. See docs/benchmarks.md.

pub mod driver;
pub mod driver_file;
pub mod drivers;
pub mod peers;
pub mod properties;
pub mod report;
pub mod result;
pub mod workload;
