//! What groups commit, how long it stays, and what transactions do with it.

use super::*;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn nobody() -> Identity {
    who("", -1)
}

fn put(room: &mut Room, topic: &str, offset: i64) {
    assert_eq!(code(room.say(Ask::Commit(commit(nobody(), topic, offset)))), ErrorCode::NONE);
}

#[test]
fn what_was_committed_is_found_again() {
    let mut room = Room::new();
    assert_eq!(room.offset("t"), -1);
    put(&mut room, "t", 7);
    put(&mut room, "u", 8);
    put(&mut room, "t", 9);
    for _ in 0..2 {
        assert_eq!((room.offset("t"), room.offset("u")), (9, 8));
        let all = room.say(Ask::Fetch(Fetch::default()));
        let Answer::Fetched(topics) = all else { panic!("{all:?}") };
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(names, ["t", "u"]);
        assert_eq!(room.state(), "Empty", "a name that has committed is a group");
        room.reload();
    }
}

/// Named in the list of planted bugs.
#[test]
fn a_commit_of_an_old_generation_is_refused() {
    let mut room = Room::new();
    let ids = room.stable(1);
    let of =
        |generation: i32, offset| Ask::Commit(commit(who(&ids[0], generation), "read", offset));
    assert_eq!(code(room.say(of(1, 10))), ErrorCode::NONE);
    let call = room.ask(Ask::Join(Box::new(join(&ids[0]))));
    assert_eq!(room.joined(call).generation, 2);
    let call = room.ask(sync(&ids[0], 2, Vec::new()));
    assert_eq!(room.synced(call).error, ErrorCode::NONE);
    assert_eq!(code(room.say(of(1, 5))), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(room.offset("read"), 10);
}

#[test]
fn each_partition_of_a_commit_is_judged() {
    let mut room = Room::with(&[("offset.metadata.max.bytes", "4")]);
    let one = |partition, metadata: &str| CommitPartition {
        partition,
        offset: 1,
        leader_epoch: 3,
        metadata: metadata.to_owned(),
    };
    let partitions = vec![one(0, "1234"), one(1, "12345"), one(2, "")];
    let topics = vec![CommitTopic { name: "t".to_owned(), partitions, ..Default::default() }];
    let told = room.say(Ask::Commit(Commit { who: nobody(), topics, ..Commit::default() }));
    let (none, large) = (ErrorCode::NONE, ErrorCode::OFFSET_METADATA_TOO_LARGE);
    assert_eq!(told, Answer::Committed(vec![vec![none, large, none]]));
    let all = room.say(Ask::Fetch(Fetch::default()));
    let Answer::Fetched(topics) = all else { panic!("{all:?}") };
    let found: Vec<_> = topics[0]
        .partitions
        .iter()
        .map(|one| (one.partition, one.leader_epoch, one.metadata.as_str()))
        .collect();
    assert_eq!(found, [(0, 3, "1234"), (2, 3, "")]);
}

#[test]
fn a_commit_beyond_a_batch_is_refused_whole() {
    let mut room = Room::new();
    let one = |partition| CommitPartition { partition, offset: 1, ..CommitPartition::default() };
    let partitions = (0..5_000).map(one).collect();
    let topics = vec![CommitTopic { name: "t".to_owned(), partitions, ..Default::default() }];
    let told = room.say(Ask::Commit(Commit { who: nobody(), topics, ..Commit::default() }));
    assert_eq!(code(told), ErrorCode::INVALID_COMMIT_OFFSET_SIZE);
    assert!(room.log.is_empty() && room.offset("t") == -1);
}

#[test]
fn offsets_of_a_transaction_count_when_it_is_committed() {
    let writer = Writer { producer_id: 7, epoch: 0 };
    let in_transaction = |offset| Commit { writer: Some(writer), ..commit(nobody(), "t", offset) };
    let stable = |room: &mut Room| {
        let topics = Some(vec![("t".to_owned(), vec![0])]);
        code(room.say(Ask::Fetch(Fetch { topics, require_stable: true, ..Fetch::default() })))
    };
    for (commits, restarts) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut room = Room::new();
        put(&mut room, "t", 1);
        assert_eq!(code(room.say(Ask::Commit(in_transaction(2)))), ErrorCode::NONE);
        if restarts {
            room.reload();
        }
        assert_eq!((room.offset("t"), stable(&mut room)), (1, ErrorCode::UNSTABLE_OFFSET_COMMIT));
        room.marker(Writer { epoch: 1, ..writer }, commits);
        if restarts {
            room.reload();
        }
        let expect = if commits { 2 } else { 1 };
        assert_eq!((room.offset("t"), stable(&mut room)), (expect, ErrorCode::NONE), "{commits}");
    }
}

#[test]
fn what_was_committed_since_is_newer_than_a_transaction() {
    let writer = Writer { producer_id: 7, epoch: 0 };
    for restarts in [false, true] {
        let mut room = Room::new();
        room.say(Ask::Commit(Commit { writer: Some(writer), ..commit(nobody(), "t", 2) }));
        put(&mut room, "t", 3);
        if restarts {
            room.reload();
        }
        room.marker(writer, true);
        assert_eq!(room.offset("t"), 3);
    }
}

/// Named in the list of planted bugs.
#[test]
fn offsets_expire_when_nobody_uses_them() {
    // Commits, lets the group be in a state, and waits.
    let check = |state: &str, topic: &str, days: u64, expect: i64| {
        let mut room = Room::with(&[("offsets.retention.minutes", "1440")]);
        let ids = match state {
            "simple" => Vec::new(),
            _ => room.stable(1),
        };
        let says = match state {
            "simple" => nobody(),
            _ => who(&ids[0], 1),
        };
        assert_eq!(code(room.say(Ask::Commit(commit(says, topic, 4)))), ErrorCode::NONE);
        if state == "left" {
            room.say(Ask::Leave(vec![Leaver { member: ids[0].clone(), ..Leaver::default() }]));
        }
        for _ in 0..days * DAY_MS / 5_000 {
            room.pass(5_000);
            if state == "stable" {
                let told = code(room.say(Ask::Heartbeat(who(&ids[0], 1))));
                assert_eq!(told, ErrorCode::NONE);
            }
        }
        // One look more.
        for _ in 0..130 {
            room.pass(5_000);
            if state == "stable" {
                room.say(Ask::Heartbeat(who(&ids[0], 1)));
            }
        }
        assert_eq!(room.offset(topic), expect, "{state} {topic} {days}");
        room.reload();
        assert_eq!(room.offset(topic), expect, "{state} {topic} {days}, read again");
    };
    check("simple", "read", 0, 4);
    check("simple", "read", 1, -1);
    check("left", "read", 0, 4);
    check("left", "read", 1, -1);
    check("stable", "other", 1, -1);
    let mut room = Room::with(&[("offsets.retention.minutes", "1440")]);
    let ids = room.stable(1);
    let says = who(&ids[0], 1);
    room.say(Ask::Commit(commit(says.clone(), "read", 4)));
    for _ in 0..3 * DAY_MS / 9_000 {
        room.pass(9_000);
        room.say(Ask::Heartbeat(says.clone()));
    }
    assert_eq!(room.offset("read"), 4, "what members read stays");
}

#[test]
fn a_client_may_say_how_long_its_offsets_stay() {
    let mut room = Room::new();
    let mut asks = commit(nobody(), "t", 4);
    asks.retention_ms = Some(1_000);
    room.say(Ask::Commit(asks));
    put(&mut room, "u", 5);
    room.pass(601_000);
    assert_eq!((room.offset("t"), room.offset("u")), (-1, 5));
}

#[test]
fn a_group_without_members_and_offsets_is_forgotten() {
    let mut room = Room::new();
    let ids = room.stable(1);
    room.say(Ask::Leave(vec![Leaver { member: ids[0].clone(), ..Leaver::default() }]));
    assert_eq!(room.state(), "Empty");
    room.pass(601_000);
    assert_eq!(room.state(), "Dead");
    room.reload();
    assert_eq!(room.state(), "Dead");
    assert!(room.groups.alarms.is_empty(), "a broker without groups sleeps");
}

#[test]
fn a_deleted_group_is_gone_with_its_offsets() {
    let mut room = Room::new();
    put(&mut room, "t", 1);
    assert_eq!(code(room.say(Ask::Delete)), ErrorCode::NONE);
    for _ in 0..2 {
        assert_eq!((room.offset("t"), room.state().as_str()), (-1, "Dead"));
        room.reload();
    }
}

#[test]
fn what_is_too_much_for_one_batch_is_deleted_in_several() {
    let mut room = Room::new();
    for first in [0, 1_000, 2_000] {
        let one = |partition| CommitPartition { partition, offset: 1, ..Default::default() };
        let partitions = (first..first + 1_000).map(one).collect();
        let topics = vec![CommitTopic { name: "t".to_owned(), partitions, ..Default::default() }];
        let told = room.say(Ask::Commit(Commit { who: nobody(), topics, ..Commit::default() }));
        assert_eq!(code(told), ErrorCode::NONE);
    }
    let mut tries = 0;
    while code(room.say(Ask::Delete)) == ErrorCode::COORDINATOR_NOT_AVAILABLE {
        tries += 1;
    }
    assert!((1..10).contains(&tries), "{tries}");
    room.reload();
    assert_eq!(room.state(), "Dead");
}

#[test]
fn offsets_go_with_their_topic() {
    let mut room = Room::new();
    put(&mut room, "t", 1);
    put(&mut room, "u", 2);
    room.ask(Ask::ForgetTopics(vec!["t".to_owned()]));
    for _ in 0..2 {
        assert_eq!((room.offset("t"), room.offset("u")), (-1, 2));
        room.reload();
    }
}

#[test]
fn single_offsets_are_deleted() {
    let mut room = Room::new();
    put(&mut room, "t", 1);
    put(&mut room, "u", 2);
    let asks = Ask::DeleteOffsets(vec![("t".to_owned(), vec![0, 1])]);
    let none = ErrorCode::NONE;
    assert_eq!(room.say(asks), Answer::OffsetsDeleted(none, vec![vec![none, none]]));
    for _ in 0..2 {
        assert_eq!((room.offset("t"), room.offset("u")), (-1, 2));
        room.reload();
    }
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut room = Room::new();
    room.stable(1);
    room.ask_of("simple", Ask::Commit(commit(nobody(), "t", 1)));
    let mut check = |states: &[&str], types: &[&str], expect: &[&str]| {
        let owned = |list: &[&str]| list.iter().map(|&one| one.to_owned()).collect();
        let listed = room.say(Ask::List { states: owned(states), types: owned(types) });
        let Answer::Listed(listed) = listed else { panic!("{listed:?}") };
        let names: Vec<&str> = listed.iter().map(|one| one.group.as_str()).collect();
        assert_eq!(names, expect, "{states:?} {types:?}");
    };
    check(&[], &[], &["g", "simple"]);
    check(&["Stable"], &[], &["g"]);
    check(&["empty"], &["CLASSIC"], &["simple"]);
    check(&["Dead", "x"], &[], &[]);
    check(&[], &["consumer"], &[]);
}
