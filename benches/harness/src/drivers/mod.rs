//! The drivers of brokers that do not speak Kafka's protocol, by name.

#[cfg(feature = "librdkafka")]
mod librdkafka;

use crate::driver::{Driver, Result};
use crate::driver_file::DriverFile;
use crate::workload::Workload;

/// Opens a driver: connects to the broker, which is ready.
pub type Open = fn(&Connection<'_>) -> Result<Box<dyn Driver>>;

/// What a driver is opened with.
pub struct Connection<'a> {
    pub file: &'a DriverFile,
    pub workload: &'a Workload,
    /// Where the broker listens, when the harness started it: `{port}` of the launch on this host.
    pub port: Option<u16>,
}

/// By `DriverFile::driver_name`, without `kafka`, which has a client of our own.
pub const DRIVERS: &[(&str, Open)] = crate::peers::DRIVERS;

/// What speaks Kafka's protocol in another way than our own client.
const KAFKA_DRIVERS: &[(&str, Open)] = &[
    #[cfg(feature = "librdkafka")]
    ("librdkafka", librdkafka::open),
];

pub fn find(name: &str) -> Option<Open> {
    KAFKA_DRIVERS.iter().chain(DRIVERS).find(|(known, _)| *known == name).map(|&(_, open)| open)
}
