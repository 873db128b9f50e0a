//! Clients that dribble: every byte a segment of its own, or a byte now and then.

use std::thread;
use std::time::{Duration, Instant};

use ringmain::wire::messages::metadata::{Metadata, MetadataRequest};

use super::Target;
use crate::broker::Setup;
use crate::client::{Client, request};
use crate::samples::samples;

#[test]
fn every_request_may_come_in_single_bytes() {
    let mut target = Target::new(Setup::new("bytes"));
    for sample in samples(&target.topic).iter().filter(|sample| sample.version == sample.api.max) {
        let mut client = target.client();
        for (at, byte) in sample.bytes.iter().enumerate() {
            client.send_bytes(&[*byte]).expect("sent");
            // The broker must have seen some of the beginnings by themselves.
            if at % 16 < 6 {
                thread::sleep(Duration::from_micros(300));
            }
        }
        let answer = client.receive_bytes().expect("an answer");
        assert_eq!(answer[..4], [0, 0, 0, 77], "{}", sample.api.name);
    }
    target.assert_serves();
}

/// Three hundred clients send a byte now and then; others hardly notice.
#[test]
fn dribbling_clients_do_not_slow_others() {
    let mut target = Target::new(Setup::new("dribble"));
    let quiet = round_trips(&mut target.client());
    let bytes = request::<Metadata>(12, 1, &MetadataRequest::default());
    let before = target.broker.resident_kib();
    let mut dribblers: Vec<Client> = (0..300).map(|_| target.client()).collect();
    let mut beside = Vec::new();
    let mut other = target.client();
    for byte in bytes.chunks(1).take(12) {
        for client in &mut dribblers {
            client.send_bytes(byte).expect("sent");
        }
        beside.extend(round_trips(&mut other));
    }
    let grown = target.broker.resident_kib().saturating_sub(before);
    let (quiet, beside) = (p99(quiet), p99(beside));
    println!("p99 {quiet:?} alone, {beside:?} beside 300 dribbling clients; {grown} KiB more");
    assert!(grown < 300 * 20, "{grown} KiB for 300 connections");
    assert!(beside < quiet * 20 + Duration::from_millis(50), "{beside:?} against {quiet:?}");
    // And they are served in the end.
    for client in &mut dribblers {
        client.send_bytes(&bytes[12..]).expect("sent");
    }
    for client in &mut dribblers {
        client.receive::<Metadata>(12).expect("an answer").body();
    }
    target.assert_serves();
}

/// A byte now and then is no sign of life: what counts is a request that comes to its end.
#[test]
fn a_request_that_takes_for_ever_is_ended() {
    let target = Target::new(Setup::new("for-ever-slow").set("connections.max.idle.ms", "1000"));
    let bytes = request::<Metadata>(12, 1, &MetadataRequest::default());
    let mut client = target.client();
    let began = Instant::now();
    for byte in bytes.chunks(1).cycle() {
        // What is refused here was closed.
        if client.send_bytes(byte).is_err() || client.is_closed_within(Duration::from_millis(100)) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "not ended");
    }
    assert!(began.elapsed() > Duration::from_secs(1), "ended after {:?}", began.elapsed());
}

fn round_trips(client: &mut Client) -> Vec<Duration> {
    let once = |_| {
        let began = Instant::now();
        let request = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
        client.call::<Metadata>(12, &request).expect("an answer");
        began.elapsed()
    };
    (0..50).map(once).collect()
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * 99 / 100]
}
