//! A member of a group of the new protocol, message by message: what it is told, what it may commit, and that
//! it goes on when the broker was killed.

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::consumer_group_describe::{
    ConsumerGroupDescribe, ConsumerGroupDescribeRequest,
};
use ringmain::wire::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeat, ConsumerGroupHeartbeatRequest,
};
use ringmain::wire::messages::offset_commit::{
    OffsetCommit, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ringmain::wire::messages::offset_fetch::{
    OffsetFetch, OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};

use crate::broker::Setup;
use crate::client::Client;
use crate::exchange::groups::coordinator;
use crate::topics::Topic;

const GROUP: &str = "beats";
const MEMBER: &str = "one";

fn beat(epoch: i32) -> ConsumerGroupHeartbeatRequest<'static> {
    ConsumerGroupHeartbeatRequest {
        group_id: GROUP,
        member_id: MEMBER,
        member_epoch: epoch,
        ..Default::default()
    }
}

/// The error, the epoch, and how many partitions it is told to have.
fn told(
    client: &mut Client,
    request: &ConsumerGroupHeartbeatRequest<'_>,
) -> (ErrorCode, i32, Option<usize>) {
    let answer = client.call::<ConsumerGroupHeartbeat>(1, request).expect("an answer");
    let response = answer.body();
    let count = response.assignment.as_ref().map(|assignment| {
        assignment.topic_partitions.iter().map(|topic| topic.partitions.len()).sum()
    });
    (response.error_code, response.member_epoch, count)
}

fn commit(client: &mut Client, topic: &Topic, epoch: i32, offset: i64) -> ErrorCode {
    let partition = OffsetCommitRequestPartition {
        partition_index: 1,
        committed_offset: offset,
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: &topic.name,
        partitions: vec![partition],
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: GROUP,
        member_id: MEMBER,
        generation_id_or_member_epoch: epoch,
        topics: vec![topic],
        ..Default::default()
    };
    let answer = client.call::<OffsetCommit>(9, &request).expect("an answer");
    answer.body().topics[0].partitions[0].error_code
}

/// The error, and what was committed.
fn fetch(client: &mut Client, topic: &Topic, epoch: i32) -> (ErrorCode, i64) {
    let topic = OffsetFetchRequestTopics {
        name: &topic.name,
        partition_indexes: vec![1],
        ..Default::default()
    };
    let group = OffsetFetchRequestGroup {
        group_id: GROUP,
        member_id: Some(MEMBER),
        member_epoch: epoch,
        topics: Some(vec![topic]),
    };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let answer = client.call::<OffsetFetch>(9, &request).expect("an answer");
    let group = &answer.body().groups[0];
    let found = group.topics.first().map_or(-1, |topic| topic.partitions[0].committed_offset);
    (group.error_code, found)
}

#[test]
fn a_member_goes_on_when_the_broker_was_killed() {
    let setup = Setup::new("beats").cores(2);
    let broker = setup.start();
    let mut client = Client::connect(broker.address()).expect("a connection");
    let topic = Topic::create(&mut client, "beaten", 3, &[]);
    let mut client = coordinator(broker.address(), GROUP);
    let joins = ConsumerGroupHeartbeatRequest {
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(vec![&topic.name]),
        topic_partitions: Some(Vec::new()),
        ..beat(0)
    };
    assert_eq!(told(&mut client, &joins), (ErrorCode::NONE, 2, Some(3)));
    assert_eq!(told(&mut client, &beat(2)), (ErrorCode::NONE, 2, None));
    assert_eq!(told(&mut client, &beat(7)).0, ErrorCode::FENCED_MEMBER_EPOCH);
    assert_eq!(commit(&mut client, &topic, 2, 41), ErrorCode::NONE);
    assert_eq!(commit(&mut client, &topic, 3, 43), ErrorCode::STALE_MEMBER_EPOCH);
    assert_eq!(fetch(&mut client, &topic, 2), (ErrorCode::NONE, 41));
    assert_eq!(fetch(&mut client, &topic, 1), (ErrorCode::STALE_MEMBER_EPOCH, -1));
    broker.kill();
    let broker = setup.start();
    let mut client = coordinator(broker.address(), GROUP);
    assert_eq!(told(&mut client, &beat(2)), (ErrorCode::NONE, 2, None));
    assert_eq!(fetch(&mut client, &topic, 2), (ErrorCode::NONE, 41));
    let request = ConsumerGroupDescribeRequest { group_ids: vec![GROUP], ..Default::default() };
    let answer = client.call::<ConsumerGroupDescribe>(1, &request).expect("an answer");
    let group = &answer.body().groups[0];
    assert_eq!((group.error_code, group.group_state), (ErrorCode::NONE, "Stable"));
    assert_eq!((group.group_epoch, group.assignment_epoch), (2, 2));
    let member = &group.members[0];
    assert_eq!((member.member_id, member.client_id), (MEMBER, "faults"));
    let assigned = &member.assignment.topic_partitions;
    assert_eq!(
        (assigned[0].topic_name, assigned[0].partitions.as_slice()),
        ("beaten", &[0, 1, 2][..])
    );
    assert_eq!(told(&mut client, &beat(-1)), (ErrorCode::NONE, -1, None));
    assert_eq!(told(&mut client, &beat(2)).0, ErrorCode::UNKNOWN_MEMBER_ID);
    broker.stop();
}
