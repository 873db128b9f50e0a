//! How much a fetch is answered with: whole batches, up to the limits, and always at least one.

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::fetch::{Fetch, FetchPartition, FetchRequest};
use ringmain::wire::value::Records;

use super::{Field, VERSION, parts};
use crate::topics::{Fetched, Sequence, batch, from, values};

/// Ten batches of three values each; their size.
fn fill(field: &mut Field, partition: i32) -> usize {
    for at in 0..10 {
        field.put(partition, &[at, at, at]);
    }
    batch(Sequence::NONE, &[1, 1, 1], 0).len()
}

fn fetch(field: &mut Field, partition: FetchPartition, bytes_max: i32) -> Fetched {
    let topic = field.topic.clone();
    let request = FetchRequest { max_bytes: bytes_max, ..topic.fetch_request(VERSION, partition) };
    let answer = field.client.call::<Fetch>(VERSION, &request).expect("an answer");
    Fetched::of(&answer.body().responses)
}

#[test]
fn limits_cut_between_batches_but_never_below_one() {
    let mut field = Field::new("sizes", 1);
    let size = fill(&mut field, 0);
    let mut check = |partition_max: usize, request_max: usize, batches: usize| {
        let wanted = FetchPartition { partition_max_bytes: partition_max as i32, ..from(0, 0) };
        let fetched = fetch(&mut field, wanted, request_max as i32);
        let limits = (partition_max, request_max);
        assert_eq!((fetched.batches, fetched.bytes), (batches, batches * size), "{limits:?}");
        assert_eq!((fetched.high_watermark, fetched.log_start_offset), (30, 0));
    };
    let plenty = 1 << 20;
    check(plenty, plenty, 10);
    check(10 * size, plenty, 10);
    check(10 * size - 1, plenty, 9);
    check(3 * size, plenty, 3);
    check(plenty, 3 * size + size / 2, 3);
    check(3 * size, 2 * size, 2);
    // The first batch comes whatever is allowed: a reader must get on.
    check(size - 1, plenty, 1);
    check(1, 1, 1);
    check(0, 0, 1);
}

#[test]
fn a_fetch_begins_with_the_batch_that_holds_its_offset() {
    let mut field = Field::new("middle", 1);
    fill(&mut field, 0);
    for offset in 0..30 {
        let fetched = fetch(&mut field, from(0, offset), 1);
        let base = offset / 3 * 3;
        let offsets: Vec<i64> = fetched.records.iter().map(|&(offset, _)| offset).collect();
        assert_eq!(offsets, [base, base + 1, base + 2], "{offset}");
    }
    let fetched = fetch(&mut field, from(0, 30), 1);
    assert_eq!((fetched.error, fetched.records.len()), (ErrorCode::NONE, 0));
}

/// One batch beyond the limit is for the first partition that has any, not for each.
#[test]
fn the_request_limit_counts_over_all_partitions() {
    let mut field = Field::new("over-all", 4);
    let size = fill(&mut field, 1);
    fill(&mut field, 2);
    fill(&mut field, 3);
    let mut check = |request_max: usize, expect: [usize; 4]| {
        let all = (0..4).map(|partition| from(partition, 0)).collect();
        let topic = field.topic.clone();
        let request = FetchRequest {
            max_bytes: request_max as i32,
            min_bytes: 1,
            topics: vec![topic.fetch_topic(VERSION, all)],
            ..Default::default()
        };
        let answer = field.client.call::<Fetch>(VERSION, &request).expect("an answer");
        let found: Vec<usize> = parts(&answer).iter().map(|part| part.2 / size).collect();
        assert_eq!(found, expect, "{request_max}");
    };
    check(1 << 20, [0, 10, 10, 10]);
    check(1, [0, 1, 0, 0]);
    check(15 * size, [0, 10, 5, 0]);
    check(10 * size, [0, 10, 0, 0]);
}

#[test]
fn many_partitions_are_answered_together() {
    let count = 400;
    let mut field = Field::new("many", count);
    for partition in 0..count {
        field.put(partition, &[partition as u64, 1]);
    }
    let all = (0..count).rev().map(|partition| from(partition, 0)).collect();
    let request = field.request(all);
    let bytes = crate::client::request::<Fetch>(VERSION, 1, &request);
    field.client.send_bytes(&bytes).expect("sent");
    let answer = field.client.receive::<Fetch>(VERSION).expect("an answer");
    let body = answer.body();
    let parts = &body.responses[0].partitions;
    assert_eq!(parts.len(), count as usize);
    for (part, expected) in parts.iter().zip((0..count).rev()) {
        assert_eq!((part.partition_index, part.error_code), (expected, ErrorCode::NONE));
        let Records::Bytes(records) = part.records else { panic!("no records") };
        assert_eq!(values(records), [(0, expected as u64), (1, 1)]);
    }
}

/// Old data from files and new data from memory make one answer.
#[test]
fn an_answer_larger_than_memory_is_complete() {
    let setup =
        crate::broker::Setup::new("larger").set("ringmain.memory.per.core.bytes", "67108864");
    let mut field = Field::with(setup.set("socket.request.max.bytes", "16777216"), 1);
    // More than the tail keeps: 80 MiB in 160 batches.
    let count = 160;
    for at in 0..count {
        let bytes = batch(Sequence::NONE, &[at], 1 << 19);
        let (error, offset) = field.topic.produce(&mut field.client, 0, &bytes).expect("an answer");
        assert_eq!((error, offset), (ErrorCode::NONE, at as i64));
    }
    let wanted = FetchPartition { partition_max_bytes: i32::MAX, ..from(0, 0) };
    let fetched = fetch(&mut field, wanted, i32::MAX);
    assert!(fetched.bytes > 50 << 20 && fetched.bytes <= 55 << 20, "{}", fetched.bytes);
    let mut position = 0;
    while position < count as i64 {
        let wanted = FetchPartition { partition_max_bytes: 20 << 20, ..from(0, position) };
        let fetched = fetch(&mut field, wanted, i32::MAX);
        for (offset, value) in &fetched.records {
            assert_eq!((*offset, *value), (position, position as u64));
            position += 1;
        }
        assert!(!fetched.records.is_empty(), "stuck at {position}");
    }
}
