//! What cannot be fetched, and what it is told; and what the isolation levels add.

use ringmain::model::error_code::ErrorCode;
use ringmain::model::ids::TopicId;
use ringmain::wire::messages::delete_records::{
    DeleteRecords, DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use ringmain::wire::messages::fetch::{Fetch, FetchRequest, FetchTopic, ReplicaState};

use super::{Field, VERSION, parts};
use crate::topics::{EARLIEST, FETCH_BY_ID, Fetched, LATEST, from};

#[test]
fn unknown_topics_and_partitions_are_named_as_such() {
    let mut field = Field::new("unknown", 2);
    field.put(0, &[1]);
    let mut check = |version: i16, topic: FetchTopic<'_>, expect: &[(i32, ErrorCode)]| {
        let request = FetchRequest {
            min_bytes: 1,
            max_bytes: 1 << 20,
            max_wait_ms: 10_000,
            topics: vec![topic],
            ..Default::default()
        };
        let answer = field.client.call::<Fetch>(version, &request).expect("an answer");
        let found: Vec<_> = parts(&answer).iter().map(|part| (part.0, part.1)).collect();
        assert_eq!(found, expect, "version {version}");
    };
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let topic = field.topic.clone();
    for version in [4, 7, 11, 12] {
        let partitions = vec![from(0, 0), from(2, 0), from(-1, 0), from(i32::MAX, 0)];
        let expect = [(0, ErrorCode::NONE), (2, unknown), (-1, unknown), (i32::MAX, unknown)];
        check(version, topic.fetch_topic(version, partitions), &expect);
        let other =
            FetchTopic { topic: "nobody", partitions: vec![from(0, 0)], ..Default::default() };
        check(version, other, &[(0, unknown)]);
    }
    for version in FETCH_BY_ID..=18 {
        let partitions = vec![from(0, 0), from(2, 0)];
        let expect = [(0, ErrorCode::NONE), (2, unknown)];
        check(version, topic.fetch_topic(version, partitions), &expect);
        for topic_id in [TopicId([7; 16]), TopicId::NIL] {
            let other = FetchTopic { topic_id, partitions: vec![from(0, 0)], ..Default::default() };
            check(version, other, &[(0, ErrorCode::UNKNOWN_TOPIC_ID)]);
        }
    }
}

#[test]
fn offsets_outside_the_log_are_out_of_range() {
    let mut field = Field::new("range", 1);
    for value in 0..10 {
        field.put(0, &[value]);
    }
    let topic = field.topic.clone();
    let partition = DeleteRecordsPartition { partition_index: 0, offset: 4 };
    let deleted = DeleteRecordsTopic { name: &topic.name, partitions: vec![partition] };
    let request = DeleteRecordsRequest { topics: vec![deleted], timeout_ms: 10_000 };
    let answer = field.client.call::<DeleteRecords>(2, &request).expect("an answer");
    assert_eq!(answer.body().topics[0].partitions[0].error_code, ErrorCode::NONE);
    assert_eq!(topic.offset_at(&mut field.client, 0, EARLIEST).unwrap(), 4);
    assert_eq!(topic.offset_at(&mut field.client, 0, LATEST).unwrap(), 10);
    let mut check = |offset: i64, error: ErrorCode, records: usize| {
        let request = topic.fetch_request(VERSION, from(0, offset));
        let answer = field.client.call::<Fetch>(VERSION, &request).expect("an answer");
        let fetched = Fetched::of(&answer.body().responses);
        assert_eq!((fetched.error, fetched.records.len()), (error, records), "{offset}");
        if error == ErrorCode::NONE {
            assert_eq!((fetched.log_start_offset, fetched.high_watermark), (4, 10));
        }
    };
    for outside in [i64::MIN, -1, 0, 3, 11, i64::MAX] {
        check(outside, ErrorCode::OFFSET_OUT_OF_RANGE, 0);
    }
    check(4, ErrorCode::NONE, 6);
    check(9, ErrorCode::NONE, 1);
    check(10, ErrorCode::NONE, 0);
}

/// Without transactions both levels see the same; only one is told of aborted ones.
#[test]
fn isolation_levels_differ_in_what_they_are_told() {
    let mut field = Field::new("isolation", 1);
    field.put(0, &[1, 2]);
    let topic = field.topic.clone();
    for isolation_level in [0, 1] {
        let request = FetchRequest { isolation_level, ..topic.fetch_request(VERSION, from(0, 0)) };
        let answer = field.client.call::<Fetch>(VERSION, &request).expect("an answer");
        let body = answer.body();
        assert_eq!(Fetched::of(&body.responses).records, [(0, 1), (1, 2)]);
        let data = &body.responses[0].partitions[0];
        assert_eq!((data.high_watermark, data.last_stable_offset), (2, 2));
        let expect = if isolation_level == 0 { None } else { Some(Vec::new()) };
        assert_eq!(data.aborted_transactions, expect);
    }
}

/// CVE-2018-1288: who says that it is a replica is not believed.
#[test]
fn nobody_is_a_follower_by_saying_so() {
    let mut field = Field::new("follower", 1);
    field.put(0, &[1]);
    let topic = field.topic.clone();
    for version in [4, 7, 12, 14] {
        let request = FetchRequest { replica_id: 1000, ..topic.fetch_request(version, from(0, 0)) };
        let answer = field.client.call::<Fetch>(version, &request).expect("an answer");
        let body = answer.body();
        assert!(
            body.responses
                .iter()
                .all(|topic| topic.partitions.iter().all(|p| p.records.is_empty()))
        );
        if version >= 7 {
            assert_eq!(body.error_code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
        }
    }
    let replica_state = ReplicaState { replica_id: 1000, replica_epoch: 1 };
    let request = FetchRequest { replica_state, ..topic.fetch_request(17, from(0, 0)) };
    let answer = field.client.call::<Fetch>(17, &request).expect("an answer");
    assert_eq!(answer.body().error_code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
}
