//! Groups that go over from one protocol to the other while they have members.

use super::beats::Reader;
use super::view::id_of;
use super::*;
use crate::wire::consumer_protocol;

/// A member of the classic protocol, with what it has.
fn classic(member: &str, owned: &[i32]) -> Join {
    let partitions = consumer_protocol::TopicPartitions { topic: "t", partitions: owned.to_vec() };
    let mut metadata = Vec::new();
    let subscription = Subscription {
        topics: vec!["t"],
        owned_partitions: if owned.is_empty() { Vec::new() } else { vec![partitions] },
        ..Subscription::default()
    };
    subscription.encode(1, &mut metadata);
    Join {
        member: member.to_owned(),
        protocols: vec![("range".to_owned(), metadata)],
        needs_id: false,
        ..join("")
    }
}

fn shared(partitions: &[i32]) -> Vec<u8> {
    let topic = consumer_protocol::TopicPartitions { topic: "t", partitions: partitions.to_vec() };
    let assignment =
        consumer_protocol::Assignment { assigned_partitions: vec![topic], user_data: None };
    let mut bytes = Vec::new();
    assignment.encode(1, &mut bytes);
    bytes
}

fn partitions(assignment: &[u8]) -> Vec<i32> {
    let assignment = consumer_protocol::Assignment::decode(assignment).expect("an assignment");
    assignment.assigned_partitions.iter().flat_map(|topic| topic.partitions.clone()).collect()
}

/// A stable classic group of one member that reads both partitions of `t`; its id.
fn one_classic(room: &mut Room) -> String {
    room.topic("t", 2);
    let call = room.ask(Ask::Join(Box::new(classic("", &[]))));
    room.pass(10_000);
    let joined = room.joined(call);
    let parts = vec![(joined.member.clone(), shared(&[0, 1]))];
    let call = room.ask(sync(&joined.member, joined.generation, parts));
    assert_eq!(room.synced(call).error, ErrorCode::NONE);
    joined.member
}

#[test]
fn a_classic_group_goes_over_and_comes_back() {
    let mut room = Room::quick();
    let old = one_classic(&mut room);
    let mut new = Reader::new("new", &["t"]);
    room.joins(&mut new);
    assert_eq!((new.epoch, new.count()), (2, 0), "the other has all");
    let described = room.consumer_described();
    assert_eq!(described.members.len(), 2);
    let is_classic: Vec<bool> = described.members.iter().map(|one| one.is_classic).collect();
    assert_eq!(is_classic, [true, false]);
    room.reload();
    // The classic member learns that there is something to do, joins, and is told its part.
    assert_eq!(code(room.say(Ask::Heartbeat(who(&old, 1)))), ErrorCode::REBALANCE_IN_PROGRESS);
    let joined = match room.say(Ask::Join(Box::new(classic(&old, &[0, 1])))) {
        Answer::Joined(joined) => *joined,
        other => panic!("not joined: {other:?}"),
    };
    assert_eq!((joined.error, joined.generation), (ErrorCode::NONE, 1));
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    let call = room.ask(sync_follower(&old, 1));
    let synced = room.synced(call);
    let left = partitions(&synced.assignment);
    assert_eq!((synced.error, left.len()), (ErrorCode::NONE, 1));
    // It has to join again to say that it has let go.
    assert_eq!(code(room.say(Ask::Heartbeat(who(&old, 1)))), ErrorCode::REBALANCE_IN_PROGRESS);
    let call = room.ask(Ask::Join(Box::new(classic(&old, &left))));
    assert_eq!(room.joined(call).generation, 2);
    let call = room.ask(sync_follower(&old, 2));
    assert_eq!(partitions(&room.synced(call).assignment), left);
    assert_eq!(code(room.say(Ask::Heartbeat(who(&old, 2)))), ErrorCode::NONE);
    room.reports(&mut new);
    assert_eq!(new.count(), 1);
    assert_eq!(room.consumer_described().state, "Stable");
    // The last one that speaks the new protocol goes.
    room.leaves(&new, -1);
    assert_eq!(room.consumer_described().error, ErrorCode::GROUP_ID_NOT_FOUND);
    room.reload();
    match room.say(Ask::Describe) {
        Answer::Described(described) => {
            let ids: Vec<&str> = described.members.iter().map(|m| m.member.as_str()).collect();
            assert_eq!(ids, [old.as_str()]);
        }
        other => panic!("not described: {other:?}"),
    }
}

#[test]
fn a_classic_member_that_is_taken_down_shares_anew() {
    let mut room = Room::quick();
    let old = one_classic(&mut room);
    let new = &mut Reader::new("new", &["t"]);
    room.joins(new);
    room.leaves(new, -1);
    assert_eq!(code(room.say(Ask::Heartbeat(who(&old, 2)))), ErrorCode::REBALANCE_IN_PROGRESS);
    let call = room.ask(Ask::Join(Box::new(classic(&old, &[0, 1]))));
    assert_eq!(room.joined(call).generation, 3);
}

#[test]
fn a_group_that_may_not_go_over_does_not() {
    let check = |policy: &str, message: &str| {
        let mut room = Room::with(&[("group.consumer.migration.policy", policy)]);
        one_classic(&mut room);
        let beaten = room.beat(Reader::new("new", &["t"]).joins());
        assert_eq!(beaten.error, ErrorCode::GROUP_ID_NOT_FOUND);
        assert_eq!(beaten.message.as_deref(), Some(message));
    };
    let message = "Cannot upgrade classic group g to consumer group because online upgrade is \
                   disabled.";
    check("disabled", message);
    check("downgrade", message);
    // And one that may not come back stays.
    let mut room = Room::with(&[("group.consumer.migration.policy", "upgrade")]);
    one_classic(&mut room);
    let mut new = Reader::new("new", &["t"]);
    room.joins(&mut new);
    room.leaves(&new, -1);
    assert_eq!(room.consumer_described().members.len(), 1);
    // What the clients share among themselves in another way is left to them.
    let mut room = Room::quick();
    room.topic("t", 2);
    let call = room.ask(Ask::Join(Box::new(Join {
        protocol_type: "connect".to_owned(),
        needs_id: false,
        ..join("")
    })));
    room.pass(10_000);
    room.joined(call);
    let beaten = room.beat(Reader::new("new", &["t"]).joins());
    let message = "Cannot upgrade classic group g to consumer group because the group does not use \
                   the consumer embedded protocol.";
    assert_eq!(beaten.message.as_deref(), Some(message));
}

#[test]
fn who_waits_in_a_group_that_goes_over_is_told() {
    let mut room = Room::quick();
    room.topic("t", 2);
    let call = room.ask(Ask::Join(Box::new(classic("", &[]))));
    assert!(room.answer(call).is_none());
    room.joins(&mut Reader::new("new", &["t"]));
    assert_eq!(room.joined(call).error, ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn an_empty_group_is_of_whatever_kind_comes_next() {
    let mut room = Room::quick();
    let old = one_classic(&mut room);
    assert_eq!(code(room.say(Ask::Commit(commit(who(&old, 1), "t", 5)))), ErrorCode::NONE);
    let leaver = Leaver { member: old, ..Leaver::default() };
    room.ask(Ask::Leave(vec![leaver]));
    let mut new = Reader::new("new", &["t"]);
    room.joins(&mut new);
    assert_eq!((new.epoch, new.count()), (2, 2));
    room.reload();
    assert_eq!(room.consumer_described().members.len(), 1);
    let fetch = Fetch { topics: Some(vec![("t".into(), vec![0])]), ..Fetch::default() };
    match room.say(Ask::Fetch(fetch.clone())) {
        Answer::Fetched(topics) => assert_eq!(topics[0].partitions[0].offset, 5),
        other => panic!("not fetched: {other:?}"),
    }
    room.leaves(&new, -1);
    let call = room.ask(Ask::Join(Box::new(classic("", &[]))));
    room.pass(10_000);
    assert_eq!(room.joined(call).error, ErrorCode::NONE);
    room.reload();
    assert_eq!(room.consumer_described().error, ErrorCode::GROUP_ID_NOT_FOUND);
    match room.say(Ask::Fetch(fetch)) {
        Answer::Fetched(topics) => assert_eq!(topics[0].partitions[0].offset, 5),
        other => panic!("not fetched: {other:?}"),
    }
}

#[test]
fn a_classic_member_that_does_not_join_in_time_is_taken_out() {
    let mut room = Room::quick();
    let old = one_classic(&mut room);
    let mut new = Reader::new("new", &["t"]);
    room.joins(&mut new);
    for _ in 0..61 {
        room.pass(1_000);
        room.ask(Ask::Heartbeat(who(&old, 1)));
        room.reports(&mut new);
    }
    assert_eq!(room.consumer_described().members.len(), 1);
    assert_eq!((new.owned.as_slice(), new.count()), (&[(id_of("t"), vec![0, 1])][..], 2));
}
