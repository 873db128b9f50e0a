//! When a fetch is answered: at once with enough, at its deadline with what there is, and as soon
//! as enough arrives.

use std::thread;
use std::time::{Duration, Instant};

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::fetch::{Fetch, FetchRequest};

use super::{Field, VERSION};
use crate::client::Client;
use crate::topics::{Fetched, Sequence, batch, from};

/// Later than this is not "at once" on the slowest machine.
const AT_ONCE: Duration = Duration::from_millis(1500);
/// Longer than any test may take.
const LONG_MS: i32 = 20_000;

/// A fetch of partition 0 from `offset`; what came, and after how long.
fn fetch(field: &mut Field, offset: i64, bytes_min: usize, wait_ms: i32) -> (Fetched, Duration) {
    let topic = field.topic.clone();
    let request = FetchRequest {
        max_wait_ms: wait_ms,
        min_bytes: bytes_min as i32,
        ..topic.fetch_request(VERSION, from(0, offset))
    };
    let began = Instant::now();
    let answer = field.client.call::<Fetch>(VERSION, &request).expect("an answer");
    (Fetched::of(&answer.body().responses), began.elapsed())
}

#[test]
fn nothing_comes_at_the_deadline() {
    let mut field = Field::new("deadline", 1);
    for wait_ms in [0, 1, 100, 700] {
        let (fetched, took) = fetch(&mut field, 0, 1, wait_ms);
        assert_eq!((fetched.error, fetched.bytes), (ErrorCode::NONE, 0));
        let wait = Duration::from_millis(wait_ms as u64);
        assert!(took >= wait && took < wait + AT_ONCE, "{took:?} for {wait_ms} ms");
    }
}

#[test]
fn enough_comes_at_once_and_too_little_at_the_deadline() {
    let mut field = Field::new("enough", 1);
    field.put(0, &[1]);
    let size = batch(Sequence::NONE, &[1], 0).len();
    for bytes_min in [0, 1, size] {
        let (fetched, took) = fetch(&mut field, 0, bytes_min, LONG_MS);
        assert_eq!(fetched.bytes, size);
        assert!(took < AT_ONCE, "{took:?}");
    }
    let (fetched, took) = fetch(&mut field, 0, size + 1, 500);
    assert_eq!(fetched.bytes, size);
    assert!(took >= Duration::from_millis(500), "{took:?}");
    // Nothing is waited for that is more than the request allows.
    let topic = field.topic.clone();
    let request = FetchRequest {
        max_wait_ms: LONG_MS,
        min_bytes: 1 << 20,
        max_bytes: size as i32,
        ..topic.fetch_request(VERSION, from(0, 0))
    };
    let began = Instant::now();
    field.client.call::<Fetch>(VERSION, &request).expect("an answer");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

#[test]
fn a_waiting_fetch_is_answered_when_there_is_enough() {
    let field = Field::new("arrives", 1);
    let size = batch(Sequence::NONE, &[1], 0).len();
    let topic = field.topic.clone();
    let waits = FetchRequest {
        max_wait_ms: LONG_MS,
        min_bytes: 3 * size as i32,
        ..topic.fetch_request(VERSION, from(0, 0))
    };
    let mut writer = field.client.clone();
    let mut reader = Client::connect(topic.partitions[0].address).expect("a connection");
    reader.send::<Fetch>(VERSION, &waits).expect("sent");
    reader.stream().set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    for value in 0..2 {
        topic.put(&mut writer, 0, &[value]);
        assert!(reader.receive_bytes().is_err(), "answered with too little");
    }
    reader.stream().set_read_timeout(Some(AT_ONCE)).expect("a timeout");
    topic.put(&mut writer, 0, &[2]);
    let answer = reader.receive::<Fetch>(VERSION).expect("an answer");
    assert_eq!(Fetched::of(&answer.body().responses).records, [(0, 0), (1, 1), (2, 2)]);
}

/// An error is told at once, also beside partitions that would wait.
#[test]
fn errors_do_not_wait() {
    let mut field = Field::new("errors-at-once", 1);
    for offset in [-1, 1, i64::MAX] {
        let (fetched, took) = fetch(&mut field, offset, 1, LONG_MS);
        assert_eq!(fetched.error, ErrorCode::OFFSET_OUT_OF_RANGE, "{offset}");
        assert!(took < AT_ONCE, "{took:?}");
    }
    let request =
        FetchRequest { max_wait_ms: LONG_MS, ..field.request(vec![from(0, 0), from(7, 0)]) };
    let bytes = crate::client::request::<Fetch>(VERSION, 1, &request);
    let began = Instant::now();
    field.client.send_bytes(&bytes).expect("sent");
    field.client.receive_bytes().expect("an answer");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

/// Everybody who waits for a partition hears of one append.
#[test]
fn one_append_wakes_all_who_wait() {
    const READERS: usize = 500;
    let mut field = Field::new("all-wake", 1);
    let topic = field.topic.clone();
    let waits = FetchRequest { max_wait_ms: LONG_MS, ..topic.fetch_request(VERSION, from(0, 0)) };
    let bytes = crate::client::request::<Fetch>(VERSION, 1, &waits);
    let address = topic.partitions[0].address;
    let mut readers: Vec<Client> =
        (0..READERS).map(|_| Client::connect(address).expect("a connection")).collect();
    for reader in &mut readers {
        reader.send_bytes(&bytes).expect("sent");
    }
    thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    field.put(0, &[5]);
    for reader in &mut readers {
        let answer = reader.receive::<Fetch>(VERSION).expect("an answer");
        assert_eq!(Fetched::of(&answer.body().responses).records, [(0, 5)]);
    }
    println!("{READERS} waiting readers were answered in {:?}", began.elapsed());
    assert!(began.elapsed() < 2 * AT_ONCE, "{:?}", began.elapsed());
}

/// Who waits for one partition is not woken by another's records, and is not forgotten.
#[test]
fn appends_elsewhere_do_not_answer_a_waiting_fetch() {
    let mut field = Field::new("elsewhere", 2);
    let topic = field.topic.clone();
    let wait = Duration::from_millis(1500);
    let waits = FetchRequest {
        max_wait_ms: wait.as_millis() as i32,
        ..topic.fetch_request(VERSION, from(0, 0))
    };
    let mut reader = Client::connect(topic.partitions[0].address).expect("a connection");
    let began = Instant::now();
    reader.send::<Fetch>(VERSION, &waits).expect("sent");
    for value in 0..20 {
        field.put(1, &[value]);
    }
    let answer = reader.receive::<Fetch>(VERSION).expect("an answer");
    assert_eq!(Fetched::of(&answer.body().responses).bytes, 0);
    assert!(began.elapsed() >= wait, "{:?}", began.elapsed());
}
