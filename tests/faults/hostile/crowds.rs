//! Many connections that do nothing: cheap while they are there, gone when their time is over.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Target;
use crate::broker::Setup;
use crate::client::Client;

const CROWD: usize = 1000;
/// What one connection may cost the broker.
const KIB_EACH: u64 = 20;

/// This process and the brokers it starts from now on may open what the system allows.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    assert!(limit.maximum.is_none_or(|most| most > 4096), "too few descriptors: {limit:?}");
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("a soft limit may be raised");
}

fn check(name: &str, begin: impl Fn(usize) -> Vec<u8>) {
    raise_descriptors();
    let idle_ms = 3000;
    let mut target =
        Target::new(Setup::new(name).set("connections.max.idle.ms", &idle_ms.to_string()));
    let before = target.broker.resident_kib();
    let mut crowd: Vec<Client> = (0..CROWD).map(|at| target.send(&begin(at))).collect();
    let began = Instant::now();
    target.assert_serves();
    let grown = target.broker.resident_kib().saturating_sub(before);
    println!("{CROWD} connections: {grown} KiB");
    assert!(grown < CROWD as u64 * KIB_EACH, "{grown} KiB for {CROWD} connections");
    // They are ended when they have been silent for too long, and not before.
    for client in &mut crowd[..10] {
        assert!(!client.is_closed_within(Duration::from_millis(20)), "ended too early");
    }
    let most = Duration::from_millis(idle_ms * 2 + 2000);
    for client in &mut crowd {
        let left = most.saturating_sub(began.elapsed()).max(Duration::from_millis(1));
        assert!(client.is_closed_within(left), "not ended after {:?}", began.elapsed());
    }
    target.assert_serves();
}

/// Kafka: connections.max.idle.ms=-1.
#[test]
fn without_an_idle_limit_nobody_is_ended() {
    let target = Target::new(Setup::new("for-ever").set("connections.max.idle.ms", "-1"));
    let mut idle = target.client();
    assert!(!idle.is_closed_within(Duration::from_millis(1500)), "ended without a limit");
}

#[test]
fn a_thousand_idle_connections_are_cheap_and_go() {
    check("idle", |_| Vec::new());
}

#[test]
fn a_thousand_half_sent_requests_are_cheap_and_go() {
    // Some have not even sent the length, some a part of a large frame.
    check("half-sent", |at| {
        let mut bytes = (90i32 << 20).to_be_bytes().to_vec();
        bytes.extend([0, 3, 0, 9, 0, 0, 0, 1, 0, 1, b'x', 0]);
        bytes.resize(400, 1);
        bytes.truncate(1 + at % 400);
        bytes
    });
}
