//! How a group comes together, shares, and falls apart.

use super::*;

fn heartbeat(room: &mut Room, member: &str, generation: i32) -> ErrorCode {
    code(room.say(Ask::Heartbeat(who(member, generation))))
}

#[test]
fn members_that_come_within_the_delay_share_one_generation() {
    let mut room = Room::new();
    let first = room.ask(Ask::Join(Box::new(join(""))));
    room.pass(2_000);
    let second = room.ask(Ask::Join(Box::new(join(""))));
    room.pass(1_000);
    assert!(room.told.is_empty(), "the second one made the first wait once more");
    room.pass(3_000);
    let (one, two) = (room.joined(first), room.joined(second));
    assert_eq!((one.generation, two.generation), (1, 1));
    assert_eq!(one.leader, two.leader);
    assert_eq!(one.members.len() + two.members.len(), 2, "the leader alone is told of all");
    assert_eq!(room.state(), "CompletingRebalance");
    let (leader, follower) = match one.members.is_empty() {
        true => (two.member, one.member),
        false => (one.member, two.member),
    };
    let waits = room.ask(sync_follower(&follower, 1));
    assert!(room.answer(waits).is_none(), "the leader has not shared yet");
    let shares = vec![(leader.clone(), b"L".to_vec()), (follower.clone(), b"F".to_vec())];
    let leads = room.ask(sync(&leader, 1, shares));
    assert_eq!(room.synced(leads).assignment, b"L");
    assert_eq!(room.synced(waits).assignment, b"F");
    assert_eq!(room.state(), "Stable");
}

#[test]
fn the_delay_is_not_extended_beyond_the_rebalance_timeout() {
    let mut room = Room::new();
    let short = || Join { rebalance_timeout_ms: 7_000, ..join("") };
    let mut calls = Vec::new();
    for _ in 0..20 {
        calls.push(room.ask(Ask::Join(Box::new(short()))));
        room.pass(1_000);
    }
    assert!(!room.told.is_empty(), "somebody is told in the end");
}

/// What each request is told in each state of its group.
#[test]
fn errors_are_kafkas() {
    use ErrorCode as E;
    let check = |name: &str, ask: &dyn Fn(&str, i32) -> Ask, expect: [ErrorCode; 5]| {
        // No group, an empty one, one that prepares, one that completes, one that is stable.
        for (state, expect) in expect.into_iter().enumerate() {
            let mut room = Room::new();
            let mut member = "nobody".to_owned();
            if state > 0 {
                member = room.stable(1).remove(0);
            }
            let generation = if state > 0 { room.generation() } else { 1 };
            match state {
                1 => {
                    let leaver = Leaver { member: member.clone(), ..Leaver::default() };
                    assert_eq!(code(room.say(Ask::Leave(vec![leaver]))), E::NONE);
                }
                2 | 3 => {
                    room.ask(Ask::Join(Box::new(join(""))));
                    if state == 3 {
                        room.ask(Ask::Join(Box::new(join(&member))));
                    }
                }
                _ => {}
            }
            let generation = if state == 3 { room.generation() } else { generation };
            let told = code(room.say(ask(&member, generation)));
            assert_eq!(told, expect, "{name} in state {state}");
        }
    };
    let heartbeat = |member: &str, generation| Ask::Heartbeat(who(member, generation));
    check(
        "a heartbeat",
        &heartbeat,
        [E::UNKNOWN_MEMBER_ID, E::UNKNOWN_MEMBER_ID, E::REBALANCE_IN_PROGRESS, E::NONE, E::NONE],
    );
    check(
        "an old heartbeat",
        &|member, generation| heartbeat(member, generation - 1),
        [
            E::UNKNOWN_MEMBER_ID,
            E::UNKNOWN_MEMBER_ID,
            E::ILLEGAL_GENERATION,
            E::ILLEGAL_GENERATION,
            E::ILLEGAL_GENERATION,
        ],
    );
    check(
        "a stranger's heartbeat",
        &|_, generation| heartbeat("stranger", generation),
        [E::UNKNOWN_MEMBER_ID; 5],
    );
    let with_offset =
        |member: &str, generation| Ask::Commit(commit(who(member, generation), "t", 1));
    check(
        "a commit",
        &with_offset,
        [E::GROUP_ID_NOT_FOUND, E::UNKNOWN_MEMBER_ID, E::NONE, E::REBALANCE_IN_PROGRESS, E::NONE],
    );
    check(
        "an old commit",
        &|member, generation| with_offset(member, generation - 1),
        [
            E::GROUP_ID_NOT_FOUND,
            E::UNKNOWN_MEMBER_ID,
            E::ILLEGAL_GENERATION,
            E::ILLEGAL_GENERATION,
            E::ILLEGAL_GENERATION,
        ],
    );
    check(
        "a commit of nobody",
        &|_, _| with_offset("", -1),
        [E::NONE, E::NONE, E::UNKNOWN_MEMBER_ID, E::UNKNOWN_MEMBER_ID, E::UNKNOWN_MEMBER_ID],
    );
    check(
        "a sync",
        &sync_follower,
        [E::UNKNOWN_MEMBER_ID, E::UNKNOWN_MEMBER_ID, E::REBALANCE_IN_PROGRESS, E::NONE, E::NONE],
    );
    check(
        "an old sync",
        &|member, generation| sync_follower(member, generation - 1),
        [
            E::UNKNOWN_MEMBER_ID,
            E::UNKNOWN_MEMBER_ID,
            E::ILLEGAL_GENERATION,
            E::ILLEGAL_GENERATION,
            E::ILLEGAL_GENERATION,
        ],
    );
    let other_protocol = |member: &str, generation| {
        Ask::Sync(Box::new(Sync {
            who: who(member, generation),
            protocol_name: Some("other".to_owned()),
            ..Sync::default()
        }))
    };
    check(
        "a sync by another protocol",
        &other_protocol,
        [
            E::UNKNOWN_MEMBER_ID,
            E::UNKNOWN_MEMBER_ID,
            E::INCONSISTENT_GROUP_PROTOCOL,
            E::INCONSISTENT_GROUP_PROTOCOL,
            E::INCONSISTENT_GROUP_PROTOCOL,
        ],
    );
    let leave = |member: &str, _: i32| {
        Ask::Leave(vec![Leaver { member: member.to_owned(), ..Leaver::default() }])
    };
    check(
        "leaving",
        &leave,
        [E::UNKNOWN_MEMBER_ID, E::UNKNOWN_MEMBER_ID, E::NONE, E::NONE, E::NONE],
    );
    check(
        "deleting",
        &|_, _| Ask::Delete,
        [
            E::GROUP_ID_NOT_FOUND,
            E::NONE,
            E::NON_EMPTY_GROUP,
            E::NON_EMPTY_GROUP,
            E::NON_EMPTY_GROUP,
        ],
    );
    let of = |topic: &'static str| {
        move |_: &str, _: i32| Ask::DeleteOffsets(vec![(topic.to_owned(), vec![0])])
    };
    check(
        "deleting offsets",
        &of("other"),
        [E::GROUP_ID_NOT_FOUND, E::NONE, E::NONE, E::NONE, E::NONE],
    );
    check(
        "deleting offsets in use",
        &of("read"),
        [
            E::GROUP_ID_NOT_FOUND,
            E::NONE,
            E::GROUP_SUBSCRIBED_TO_TOPIC,
            E::GROUP_SUBSCRIBED_TO_TOPIC,
            E::GROUP_SUBSCRIBED_TO_TOPIC,
        ],
    );
}

#[test]
fn joins_are_refused_as_kafka_refuses_them() {
    use ErrorCode as E;
    let mut room = Room::with(&[("group.max.size", "1")]);
    let mut check = |group: &str, join: Join, expect: ErrorCode| {
        let call = room.ask_of(group, Ask::Join(Box::new(join)));
        assert_eq!(room.joined(call).error, expect, "{group}");
    };
    check("", join(""), E::INVALID_GROUP_ID);
    check("short", Join { session_timeout_ms: 5_999, ..join("") }, E::INVALID_SESSION_TIMEOUT);
    check("long", Join { session_timeout_ms: 1_800_001, ..join("") }, E::INVALID_SESSION_TIMEOUT);
    check("missing", join("somebody"), E::UNKNOWN_MEMBER_ID);
    check(
        "no-type",
        Join { protocol_type: String::new(), ..join("") },
        E::INCONSISTENT_GROUP_PROTOCOL,
    );
    check(
        "no-protocols",
        Join { protocols: Vec::new(), ..join("") },
        E::INCONSISTENT_GROUP_PROTOCOL,
    );
    room.stable(1);
    let mut check = |join: Join, expect: ErrorCode| {
        let call = room.ask(Ask::Join(Box::new(join)));
        assert_eq!(room.joined(call).error, expect);
    };
    check(join(""), E::GROUP_MAX_SIZE_REACHED);
    check(join("stranger"), E::GROUP_MAX_SIZE_REACHED);
}

#[test]
fn protocols_must_have_one_in_common() {
    let mut room = Room::new();
    room.stable(1);
    for (kind, protocol, expect) in [
        ("connect", "range", ErrorCode::INCONSISTENT_GROUP_PROTOCOL),
        ("consumer", "sticky", ErrorCode::INCONSISTENT_GROUP_PROTOCOL),
    ] {
        let protocols = vec![(protocol.to_owned(), Vec::new())];
        let other = Join { protocol_type: kind.to_owned(), protocols, ..join("") };
        let call = room.ask(Ask::Join(Box::new(other)));
        assert_eq!(room.joined(call).error, expect, "{kind} {protocol}");
    }
    assert_eq!(room.state(), "Stable", "who is refused changes nothing");
}

#[test]
fn members_vote_for_what_all_of_them_know() {
    let vote = |lists: &[&[&str]]| {
        let mut room = Room::new();
        let calls: Vec<Call> = lists
            .iter()
            .map(|list| {
                let protocols = list.iter().map(|&name| (name.to_owned(), Vec::new())).collect();
                room.ask(Ask::Join(Box::new(Join { protocols, ..join("") })))
            })
            .collect();
        room.pass(60_000);
        room.joined(calls[0]).protocol_name.expect("a protocol")
    };
    assert_eq!(vote(&[&["a", "b"], &["b", "a"], &["b", "c", "a"]]), "b");
    assert_eq!(vote(&[&["c", "a"], &["a"]]), "a");
    assert_eq!(vote(&[&["b", "a"], &["a", "b"]]), "a", "equals go by name");
}

#[test]
fn a_new_member_is_given_its_id_first() {
    let mut room = Room::new();
    let asks = Join { needs_id: true, ..join("") };
    let call = room.ask(Ask::Join(Box::new(asks)));
    let given = room.joined(call);
    assert_eq!(given.error, ErrorCode::MEMBER_ID_REQUIRED);
    assert!(given.member.starts_with("c-") && given.member.len() == 2 + 36, "{}", given.member);
    let call = room.ask(Ask::Join(Box::new(join(&given.member))));
    room.pass(3_000);
    assert_eq!(room.joined(call).member, given.member);
    // One that is never used is forgotten with the session it would have had.
    let call = room.ask(Ask::Join(Box::new(Join { needs_id: true, ..join("") })));
    let unused = room.joined(call).member;
    room.pass(10_001);
    let call = room.ask(Ask::Join(Box::new(join(&unused))));
    assert_eq!(room.joined(call).error, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_silent_member_is_taken_out_and_the_others_share_anew() {
    let mut room = Room::new();
    let ids = room.stable(2);
    for _ in 0..3 {
        room.pass(5_000);
        let code = heartbeat(&mut room, &ids[0], 1);
        assert!(matches!(code, ErrorCode::NONE | ErrorCode::REBALANCE_IN_PROGRESS));
    }
    assert_eq!(heartbeat(&mut room, &ids[1], 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(room.state(), "PreparingRebalance");
    let call = room.ask(Ask::Join(Box::new(join(&ids[0]))));
    let joined = room.joined(call);
    assert_eq!((joined.generation, joined.members.len()), (2, 1), "nobody else is waited for");
}

#[test]
fn who_does_not_join_in_time_is_left_out() {
    let mut room = Room::new();
    let ids = room.stable(2);
    let call = room.ask(Ask::Join(Box::new(join(""))));
    for _ in 0..12 {
        for id in &ids {
            assert_eq!(heartbeat(&mut room, id, 1), ErrorCode::REBALANCE_IN_PROGRESS);
        }
        room.pass(4_990);
    }
    assert!(room.answer(call).is_none());
    room.pass(200);
    let joined = room.joined(call);
    assert_eq!((joined.generation, joined.members.len()), (2, 1));
    assert_eq!(heartbeat(&mut room, &ids[0], 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn who_joins_and_never_asks_for_its_part_is_taken_out() {
    let mut room = Room::new();
    let calls: Vec<Call> = (0..2).map(|_| room.ask(Ask::Join(Box::new(join(""))))).collect();
    room.pass(6_000);
    let joined: Vec<Joined> = calls.into_iter().map(|call| room.joined(call)).collect();
    let (leader, silent) = match joined[0].members.is_empty() {
        true => (&joined[1].member, &joined[0].member),
        false => (&joined[0].member, &joined[1].member),
    };
    let call = room.ask(sync(leader, 1, Vec::new()));
    assert_eq!(room.synced(call).error, ErrorCode::NONE);
    for _ in 0..13 {
        room.pass(5_000);
        heartbeat(&mut room, leader, 1);
        heartbeat(&mut room, silent, 1);
    }
    assert_eq!(room.state(), "PreparingRebalance");
    assert_eq!(heartbeat(&mut room, silent, 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn the_last_to_leave_leaves_an_empty_group() {
    let mut room = Room::new();
    let ids = room.stable(2);
    let leaver = |member: &String| Leaver { member: member.clone(), ..Leaver::default() };
    let leavers = vec![leaver(&ids[0]), leaver(&"stranger".to_owned()), leaver(&ids[1])];
    let told = room.say(Ask::Leave(leavers));
    let (none, unknown) = (ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(told, Answer::Left(none, vec![none, unknown, none]));
    assert_eq!(room.state(), "Empty");
    room.reload();
    assert_eq!((room.state().as_str(), room.generation()), ("Empty", 2));
}

#[test]
fn a_group_outlives_its_broker() {
    let mut room = Room::new();
    let ids = room.stable(3);
    room.reload();
    assert_eq!(room.state(), "Stable");
    for id in &ids {
        assert_eq!(heartbeat(&mut room, id, 1), ErrorCode::NONE);
        let call = room.ask(sync_follower(id, 1));
        assert_eq!(room.synced(call).assignment, id.as_bytes());
    }
    // Their sessions began anew, and end if they stay silent.
    room.pass(10_001);
    assert_eq!(room.state(), "Empty");
}

#[test]
fn parts_that_no_record_can_hold_are_refused() {
    let mut room = Room::new();
    let call = room.ask(Ask::Join(Box::new(join(""))));
    room.pass(3_000);
    let member = room.joined(call).member;
    let written = room.log.len();
    let call = room.ask(sync(&member, 1, vec![(member.clone(), vec![0; 200_000])]));
    assert_eq!(room.synced(call).error, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!((room.log.len(), room.state().as_str()), (written, "PreparingRebalance"));
}

#[test]
fn a_group_says_no_more_than_can_be_kept() {
    let mut room = Room::new();
    let large = || {
        let protocols = vec![("range".to_owned(), vec![0; 90_000])];
        Ask::Join(Box::new(Join { protocols, ..join("") }))
    };
    let refused = (0..20).find_map(|count| {
        let call = room.ask(large());
        room.answer(call).map(|answer| (count, code(answer)))
    });
    assert_eq!(refused, Some((8, ErrorCode::GROUP_MAX_SIZE_REACHED)));
}

#[test]
fn heartbeats_cost_no_timers() {
    let mut room = Room::new();
    let ids = room.stable(1);
    let before = room.groups.alarms.len();
    for _ in 0..1_000 {
        assert_eq!(heartbeat(&mut room, &ids[0], 1), ErrorCode::NONE);
    }
    assert_eq!(room.groups.alarms.len(), before);
}
