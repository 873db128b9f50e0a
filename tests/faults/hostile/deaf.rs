//! Clients that ask and ask and never read an answer: the broker stops listening to them, holds a
//! bounded amount for them, and goes on with the others.

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::fetch::Fetch;
use ringmain::wire::messages::metadata::{Metadata, MetadataRequest};
use ringmain::wire::{Api, Writer, frame};

use super::{Target, VERDICT};
use crate::broker::Setup;
use crate::client::Client;
use crate::topics::{Sequence, Topic, batch, from};

/// Sends the request again and again until the broker takes no more for a while; how often.
fn shout(client: &mut Client, bytes: &[u8], most: usize) -> usize {
    let mut stream = client.stream();
    stream.set_write_timeout(Some(Duration::from_millis(400))).expect("a timeout");
    for count in 0..most {
        match stream.write_all(bytes) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return count;
            }
            Err(error) => panic!("{error} after {count} requests"),
        }
    }
    panic!("{most} requests were taken from a client that reads no answer");
}

/// Clients that do not read, at the same time.
const DEAF: usize = 3;

fn check(name: &str, question: impl Fn(&Target) -> (SocketAddr, Vec<u8>)) {
    let idle_ms = 4000;
    let setup = Setup::new(name).set("ringmain.memory.per.core.bytes", "67108864");
    let setup = setup.set("socket.request.max.bytes", "16777216");
    let mut target = Target::new(setup.set("connections.max.idle.ms", &idle_ms.to_string()));
    fill(&target.topic);
    let (address, bytes) = question(&target);
    let before = target.broker.resident_kib();
    let began = Instant::now();
    let mut deaf = Vec::new();
    let mut taken = Vec::new();
    for _ in 0..DEAF {
        let mut client = Client::connect(address).expect("a connection");
        taken.push(shout(&mut client, &bytes, 200_000));
        deaf.push(client);
    }
    target.assert_serves();
    let grown = target.broker.resident_kib().saturating_sub(before);
    println!("{name}: took {taken:?} requests in {:?}, {grown} KiB more", began.elapsed());
    assert!(grown < 64 << 10, "{grown} KiB more for {DEAF} clients that do not read");
    // They are not owed their answers for ever.
    std::thread::sleep(Duration::from_millis(idle_ms * 2));
    for client in &mut deaf {
        let ended = client.send_bytes(&bytes).is_err() || client.is_closed_within(VERDICT);
        assert!(ended, "a client that reads nothing is kept");
    }
    target.assert_serves();
}

/// Eight MiB in each partition.
fn fill(topic: &Topic) {
    let bytes = batch(Sequence::NONE, &[1], 1 << 19);
    for (partition, place) in (0..).zip(&topic.partitions) {
        let mut client = Client::connect(place.address).expect("a connection");
        for _ in 0..16 {
            let (error, _) = topic.produce(&mut client, partition, &bytes).expect("an answer");
            assert_eq!(error, ErrorCode::NONE);
        }
    }
}

/// As long as it may be, so that few of them fill what the system keeps for a connection.
fn question<A: Api>(version: i16, body: &A::Request<'_>) -> Vec<u8> {
    let client_id = "x".repeat(1000);
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    frame::write_request::<A>(&mut writer, version, 9, Some(&client_id), body);
    bytes
}

fn fetch(topic: &Topic, partition: i32) -> Vec<u8> {
    question::<Fetch>(12, &topic.fetch_request(12, from(partition, 0)))
}

#[test]
fn answers_of_metadata_pile_up_only_so_far() {
    check("deaf-metadata", |target| {
        let mut client = target.client();
        Topic::create(&mut client, "wide", 500, &[]);
        (target.broker.address(), question::<Metadata>(12, &MetadataRequest::default()))
    });
}

#[test]
fn answers_of_fetches_pile_up_only_so_far() {
    check("deaf-fetch", |target| (target.topic.partitions[0].address, fetch(&target.topic, 0)));
}

#[test]
fn answers_from_another_core_pile_up_only_so_far() {
    check("deaf-forwarded", |target| (target.topic.partitions[1].address, fetch(&target.topic, 0)));
}
