//! Many requests at once on one connection: answered in their order, however their bytes come.

use std::thread;
use std::time::{Duration, Instant};

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use ringmain::wire::Api;
use ringmain::wire::messages::api_versions::{ApiVersions, ApiVersionsRequest};
use ringmain::wire::messages::fetch::{Fetch, FetchRequest};
use ringmain::wire::messages::metadata::{Metadata, MetadataRequest};
use ringmain::wire::messages::produce::Produce;

use crate::broker::Setup;
use crate::client::{Client, request};
use crate::topics::{Fetched, Sequence, Topic, batch, from};

/// Every kind of request that takes its own way: answered at once, appended and answered later,
/// parked, forwarded to another core.
fn requests(topic: &Topic, dice: &mut Prng, count: i32) -> Vec<(i16, Vec<u8>)> {
    let mut values = 0;
    let mut one = |id: i32| {
        let partition = dice.below(2) as i32;
        match dice.below(4) {
            0 => (ApiVersions::KEY, request::<ApiVersions>(0, id, &ApiVersionsRequest::default())),
            1 => (Metadata::KEY, request::<Metadata>(12, id, &MetadataRequest::default())),
            2 => {
                let wait = FetchRequest {
                    max_wait_ms: dice.below(3) as i32 * 10,
                    min_bytes: 1 << 20,
                    ..topic.fetch_request(12, from(partition, 0))
                };
                (Fetch::KEY, request::<Fetch>(12, id, &wait))
            }
            _ => {
                values += 1;
                let ballast = if dice.chance(1, 5) { 40_000 } else { 10 };
                let batch = batch(Sequence::NONE, &[values], ballast);
                let body = topic.produce_request(9, partition, -1, &batch);
                (Produce::KEY, request::<Produce>(9, id, &body))
            }
        }
    };
    (0..count).map(&mut one).collect()
}

/// Sends requests in pieces of these sizes and reads the answers: all, and in order.
fn check(
    name: &str,
    count: i32,
    mut piece: impl FnMut(&mut Prng) -> usize + Send + 'static,
    pause: Duration,
) {
    let setup = Setup::new(name);
    let mut broker = setup.start();
    let mut client = Client::connect(broker.address()).expect("a connection");
    let topic = Topic::create(&mut client, "pipelined", 2, &[]);
    let mut dice = Prng::new(crate::seed());
    let requests = requests(&topic, &mut dice, count);
    let bytes: Vec<u8> = requests.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    let mut speaker = Client::connect(topic.partitions[0].address).expect("a connection");
    let mut hearer = speaker.clone();
    let speaking = thread::spawn(move || {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(piece(&mut dice).min(rest.len()));
            speaker.send_bytes(piece).expect("sent");
            rest = after;
            if !pause.is_zero() {
                thread::sleep(pause);
            }
        }
    });
    let mut produced = 0;
    for (id, (key, _)) in (0..).zip(&requests) {
        let answer = hearer.receive_bytes().expect("an answer to each");
        assert_eq!(answer[..4], i32::to_be_bytes(id), "the {id}th answer is another's");
        produced += u64::from(*key == Produce::KEY);
    }
    speaking.join().expect("spoken");
    assert!(produced > 0);
    // The order of a partition is the order of the connection.
    let mut read = 0;
    for partition in 0..2 {
        let log = topic.read_all(&mut client, partition).expect("records");
        assert!(log.windows(2).all(|pair| pair[0].1 < pair[1].1), "{log:?}");
        read += log.len() as u64;
    }
    assert_eq!(read, produced);
    broker.assert_sound();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    check("pipelined", 600, |_| usize::MAX, Duration::ZERO);
}

#[test]
fn requests_in_pieces_of_any_size_are_answered_in_order() {
    let size = |dice: &mut Prng| match dice.below(3) {
        0 => 1 + dice.below(8) as usize,
        1 => 1 + dice.below(500) as usize,
        _ => 1 + dice.below(60_000) as usize,
    };
    check("pieces", 300, size, Duration::from_micros(100));
}

/// A segment that holds several requests and the beginning of another: cut within a length, a
/// header, a body.
#[test]
fn a_request_that_begins_in_anothers_segment_is_answered() {
    for cut in [1, 3, 4, 5, 9, 20, 50, 51, 52, 53, 54] {
        let mut size = cut;
        let piece = move |_: &mut Prng| std::mem::replace(&mut size, usize::MAX);
        check("cut", 12, piece, Duration::from_millis(3));
    }
}

/// What was asked before the client closed its side is still answered.
#[test]
fn a_client_that_has_asked_enough_hears_all_answers() {
    let setup = Setup::new("half-closed");
    let mut broker = setup.start();
    let mut client = Client::connect(broker.address()).expect("a connection");
    let topic = Topic::create(&mut client, "half", 1, &[]);
    let batch = batch(Sequence::NONE, &[1], 0);
    for _ in 0..20 {
        let body = topic.produce_request(9, 0, -1, &batch);
        client.send::<Produce>(9, &body).expect("sent");
    }
    client.close_sending().expect("closed");
    for _ in 0..20 {
        let answer = client.receive::<Produce>(9).expect("an answer");
        let part = answer.body().responses[0].partition_responses[0].clone();
        assert_eq!(part.error_code, ErrorCode::NONE);
    }
    assert!(client.is_closed_within(Duration::from_secs(1)));
    broker.assert_sound();
}

/// A fetch that waits does not keep what comes behind it from being done, only from being answered.
#[test]
fn a_produce_behind_a_waiting_fetch_wakes_it() {
    let setup = Setup::new("behind");
    let broker = setup.start();
    let mut client = Client::connect(broker.address()).expect("a connection");
    let topic = Topic::create(&mut client, "behind", 1, &[]);
    let waits = FetchRequest { max_wait_ms: 20_000, ..topic.fetch_request(12, from(0, 0)) };
    let began = Instant::now();
    client.send::<Fetch>(12, &waits).expect("sent");
    let batch = batch(Sequence::NONE, &[5], 0);
    client.send::<Produce>(9, &topic.produce_request(9, 0, -1, &batch)).expect("sent");
    let fetched = client.receive::<Fetch>(12).expect("an answer");
    assert_eq!(Fetched::of(&fetched.body().responses).records, [(0, 5)]);
    client.receive::<Produce>(9).expect("an answer");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
