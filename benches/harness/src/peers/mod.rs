//! Drivers of brokers that speak other protocols than Kafka's. docs/peers.md says of each what it is, how
//! it is set up and what its acknowledgement is worth.
//!
//! Where a broker's own Rust client serves, it is used (feature `peers`, since it brings its runtime and
//! its dependencies). Where it does not, the protocol is spoken here directly, as with Kafka.

#[cfg(feature = "peers")]
mod artemis;
mod link;
#[cfg(feature = "peers")]
mod nats;
mod partition;
mod rabbitmq;
mod rocketmq;
#[cfg(feature = "peers")]
mod runtime;
mod window;

#[cfg(not(feature = "peers"))]
use crate::driver::{Driver, Result};
use crate::drivers::{Connection, Open};
use crate::workload::Workload;

/// By the name in the driver file.
pub const DRIVERS: &[(&str, Open)] = &[
    ("rabbitmq", |connection| rabbitmq::open(address(connection))),
    ("rocketmq", |connection| rocketmq::open(address(connection))),
    #[cfg(feature = "peers")]
    ("nats", |connection| nats::open(address(connection))),
    #[cfg(feature = "peers")]
    ("artemis", |connection| artemis::open(address(connection), connection.workload)),
    #[cfg(not(feature = "peers"))]
    ("nats", left_out),
    #[cfg(not(feature = "peers"))]
    ("artemis", left_out),
];

#[cfg(not(feature = "peers"))]
fn left_out(_: &Connection<'_>) -> Result<Box<dyn Driver>> {
    Err("this ringmain-bench was built without the feature `peers`".into())
}

/// Where the harness started it; otherwise the driver file's `address`.
fn address(connection: &Connection<'_>) -> String {
    let named = || connection.file.more.get("address").and_then(|value| value.as_str());
    match connection.port {
        Some(port) => format!("127.0.0.1:{port}"),
        None => named().unwrap_or("127.0.0.1:0").to_owned(),
    }
}

/// What no driver here does; each adds what its broker cannot.
fn cannot(workload: &Workload) -> Option<String> {
    if workload.transaction_milliseconds.is_some() {
        return Some("no transactions of Kafka's kind over several topics and offsets".into());
    }
    if workload.connections_per_second > 0.0 {
        return Some("connections are counted in Kafka's protocol only".into());
    }
    None
}
