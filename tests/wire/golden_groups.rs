//! Bytes that Kafka's own Java client 4.4.0 wrote for groups and transactions: messages in versions
//! that the oracle does not know, and what the members of a group tell each other.

use ringmain::model::ErrorCode;
use ringmain::model::ids::TopicId;
use ringmain::wire::consumer_protocol::{Assignment, Subscription, TopicPartitions};
use ringmain::wire::messages::consumer_group_heartbeat::{self, *};
use ringmain::wire::messages::delete_groups::*;
use ringmain::wire::messages::offset_commit::*;
use ringmain::wire::messages::offset_fetch::*;
use ringmain::wire::messages::txn_offset_commit::*;
use ringmain::wire::messages::write_txn_markers::*;
use ringmain::wire::versioned::Versioned;

use crate::golden::check;

const TOPIC_ID: TopicId = TopicId([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

#[test]
fn offset_commit_10() {
    let partition = OffsetCommitRequestPartition {
        partition_index: 2,
        committed_offset: 99,
        committed_leader_epoch: 3,
        committed_metadata: None,
    };
    let topic =
        OffsetCommitRequestTopic { name: "", topic_id: TOPIC_ID, partitions: vec![partition] };
    let request = OffsetCommitRequest {
        group_id: "group",
        generation_id_or_member_epoch: 4,
        member_id: "m",
        group_instance_id: Some("i"),
        topics: vec![topic],
        ..Default::default()
    };
    check(
        request,
        10,
        b"\x06group\0\0\0\x04\x02m\x02i\x02\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\
          \x0e\x0f\x10\x02\0\0\0\x02\0\0\0\0\0\0\0c\0\0\0\x03\0\0\0\0",
    );
}

#[test]
fn offset_fetch_10() {
    let topic =
        OffsetFetchRequestTopics { name: "", topic_id: TOPIC_ID, partition_indexes: vec![0, 2] };
    let some = OffsetFetchRequestGroup {
        group_id: "group",
        member_id: Some("m"),
        member_epoch: 4,
        topics: Some(vec![topic]),
    };
    let all = OffsetFetchRequestGroup { group_id: "all", ..Default::default() };
    let request =
        OffsetFetchRequest { groups: vec![some, all], require_stable: true, ..Default::default() };
    check(
        request,
        10,
        b"\x03\x06group\x02m\0\0\0\x04\x02\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\
          \x0e\x0f\x10\x03\0\0\0\0\0\0\0\x02\0\0\x04all\0\xff\xff\xff\xff\0\0\x01\0",
    );
}

#[test]
fn write_txn_markers_2() {
    let marker = WritableTxnMarker {
        producer_id: 9,
        producer_epoch: 1,
        transaction_result: true,
        topics: vec![WritableTxnMarkerTopic { name: "events", partition_indexes: vec![1, 2] }],
        coordinator_epoch: 5,
        transaction_version: 2,
    };
    check(
        WriteTxnMarkersRequest { markers: vec![marker] },
        2,
        b"\x02\0\0\0\0\0\0\0\x09\0\x01\x01\x02\x07events\x03\0\0\0\x01\0\0\0\x02\0\
          \0\0\0\x05\x02\0\0",
    );
    let partition = WritableTxnMarkerPartitionResult {
        partition_index: 1,
        error_code: ErrorCode::INVALID_PRODUCER_EPOCH,
    };
    let topic = WritableTxnMarkerTopicResult { name: "events", partitions: vec![partition] };
    let marker = WritableTxnMarkerResult { producer_id: 9, topics: vec![topic] };
    check(
        WriteTxnMarkersResponse { markers: vec![marker] },
        2,
        b"\x02\0\0\0\0\0\0\0\x09\x02\x07events\x02\0\0\0\x01\0/\0\0\0\0",
    );
}

#[test]
fn txn_offset_commit_6() {
    let partition = TxnOffsetCommitRequestPartition {
        partition_index: 2,
        committed_offset: 99,
        committed_leader_epoch: 3,
        committed_metadata: Some("note"),
    };
    let topic =
        TxnOffsetCommitRequestTopic { name: "", topic_id: TOPIC_ID, partitions: vec![partition] };
    let request = TxnOffsetCommitRequest {
        transactional_id: "tx",
        group_id: "group",
        producer_id: 9,
        producer_epoch: 1,
        generation_id_or_member_epoch: 4,
        member_id: "m",
        group_instance_id: None,
        topics: vec![topic],
    };
    check(
        request,
        6,
        b"\x03tx\x06group\0\0\0\0\0\0\0\x09\0\x01\0\0\0\x04\x02m\0\x02\x01\x02\x03\x04\x05\x06\
          \x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x02\0\0\0\x02\0\0\0\0\0\0\0c\0\0\0\x03\x05note\
          \0\0\0",
    );
    let partition = TxnOffsetCommitResponsePartition {
        partition_index: 2,
        error_code: ErrorCode::STALE_MEMBER_EPOCH,
    };
    let topic =
        TxnOffsetCommitResponseTopic { name: "", topic_id: TOPIC_ID, partitions: vec![partition] };
    check(
        TxnOffsetCommitResponse { throttle_time_ms: 7, topics: vec![topic] },
        6,
        b"\0\0\0\x07\x02\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x02\
          \0\0\0\x02\0q\0\0\0",
    );
}

#[test]
fn delete_groups_3() {
    let request = DeleteGroupsRequest { groups_names: vec!["group", "all"] };
    check(request, 3, b"\x03\x06group\x04all\0");
    let failed = DeletableGroupResult {
        group_id: "group",
        error_code: ErrorCode::GROUP_DELETION_FAILED,
        error_message: Some("why"),
    };
    let deleted = DeletableGroupResult { group_id: "all", ..Default::default() };
    let response = DeleteGroupsResponse { throttle_time_ms: 7, results: vec![failed, deleted] };
    check(response, 3, b"\0\0\0\x07\x03\x06group\0\x86\x04why\0\x04all\0\0\0\0\0");
}

#[test]
fn a_heartbeat_answers_with_an_assignment_or_none() {
    let topic =
        consumer_group_heartbeat::TopicPartitions { topic_id: TOPIC_ID, partitions: vec![0, 2] };
    let response = ConsumerGroupHeartbeatResponse {
        member_id: Some("m"),
        member_epoch: 3,
        heartbeat_interval_ms: 5000,
        assignment: Some(consumer_group_heartbeat::Assignment { topic_partitions: vec![topic] }),
        ..Default::default()
    };
    check(
        response,
        1,
        b"\0\0\0\0\0\0\0\x02m\0\0\0\x03\0\0\x13\x88\x01\x02\x01\x02\x03\x04\x05\x06\x07\x08\x09\
          \x0a\x0b\x0c\x0d\x0e\x0f\x10\x03\0\0\0\0\0\0\0\x02\0\0\0",
    );
    let response = ConsumerGroupHeartbeatResponse {
        error_code: ErrorCode::FENCED_MEMBER_EPOCH,
        error_message: Some("no"),
        ..Default::default()
    };
    check(response, 1, b"\0\0\0\0\0n\x03no\0\0\0\0\0\0\0\0\0\xff\0");
}

fn check_data<'a, T: Versioned<'a>>(data: &T, version: i16, golden: &'a [u8]) {
    let mut bytes = Vec::new();
    data.encode(version, &mut bytes);
    assert_eq!(bytes, golden, "{data:?}");
    assert_eq!(&T::decode(golden).expect("good bytes"), data);
    assert_eq!(&T::decode_newer(golden).expect("good bytes"), data);
}

#[test]
fn subscriptions_of_the_java_consumer() {
    let partitions = TopicPartitions { topic: "events", partitions: vec![0, 2] };
    let mut subscription = Subscription {
        topics: vec!["b", "events"],
        user_data: Some(&[1, 2]),
        ..Default::default()
    };
    let plain = b"\0\0\0\x02\0\x01b\0\x06events\0\0\0\x02\x01\x02";
    check_data(&subscription, 0, &[b"\0\0", &plain[..]].concat());
    subscription.owned_partitions = vec![partitions];
    let owned = b"\0\0\0\x01\0\x06events\0\0\0\x02\0\0\0\0\0\0\0\x02";
    check_data(&subscription, 1, &[b"\0\x01", &plain[..], owned].concat());
    subscription.generation_id = 7;
    let generation = b"\0\0\0\x07";
    check_data(&subscription, 2, &[b"\0\x02", &plain[..], owned, generation].concat());
    subscription.rack_id = Some("rack");
    let rack = b"\0\x04rack";
    check_data(&subscription, 3, &[b"\0\x03", &plain[..], owned, generation, rack].concat());
}

#[test]
fn assignments_of_the_java_consumer() {
    let partitions = TopicPartitions { topic: "events", partitions: vec![0, 2] };
    let assignment = Assignment { assigned_partitions: vec![partitions], user_data: None };
    let bytes = b"\0\0\0\x01\0\x06events\0\0\0\x02\0\0\0\0\0\0\0\x02\xff\xff\xff\xff";
    for version in 0..=3 {
        check_data(&assignment, version, &[&version.to_be_bytes(), &bytes[..]].concat());
    }
}
