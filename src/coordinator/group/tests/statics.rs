//! Static members: those that come back as who they were (KIP-345, KIP-814).

use super::*;

fn join_as(instance: &str) -> Join {
    Join { instance: Some(instance.to_owned()), may_skip_assignment: true, ..join("") }
}

/// A stable group of one static member.
fn alone(room: &mut Room) -> String {
    let call = room.ask(Ask::Join(Box::new(join_as("i"))));
    room.pass(3_000);
    let member = room.joined(call).member;
    assert!(member.starts_with("i-"), "{member}");
    let call = room.ask(sync(&member, 1, vec![(member.clone(), b"part".to_vec())]));
    assert_eq!(room.synced(call).assignment, b"part");
    member
}

fn identity(member: &str, generation: i32) -> Identity {
    Identity { instance: Some("i".to_owned()), ..who(member, generation) }
}

#[test]
fn a_static_member_that_comes_back_takes_its_part_again() {
    let mut room = Room::new();
    let old = alone(&mut room);
    let call = room.ask(Ask::Join(Box::new(join_as("i"))));
    let joined = room.joined(call);
    assert_ne!(joined.member, old);
    assert_eq!((joined.generation, joined.skip_assignment), (1, true), "nothing is shared anew");
    assert_eq!(joined.leader, joined.member);
    let call = room.ask(sync_follower(&joined.member, 1));
    assert_eq!(room.synced(call).assignment, b"part");
    // Also for a broker that reads the log.
    room.reload();
    let told = code(room.say(Ask::Heartbeat(identity(&joined.member, 1))));
    assert_eq!(told, ErrorCode::NONE);
}

#[test]
fn a_client_that_cannot_skip_is_not_told_that_it_leads() {
    let mut room = Room::new();
    let old = alone(&mut room);
    let cannot = Join { may_skip_assignment: false, ..join_as("i") };
    let call = room.ask(Ask::Join(Box::new(cannot)));
    let joined = room.joined(call);
    assert_eq!((joined.leader.as_str(), joined.members.len()), (old.as_str(), 0));
}

/// Named in the list of planted bugs.
#[test]
fn who_was_replaced_is_fenced() {
    let mut room = Room::new();
    let old = alone(&mut room);
    let call = room.ask(Ask::Join(Box::new(join_as("i"))));
    let new = room.joined(call).member;
    let fenced = ErrorCode::FENCED_INSTANCE_ID;
    assert_eq!(code(room.say(Ask::Heartbeat(identity(&old, 1)))), fenced);
    assert_eq!(code(room.say(Ask::Commit(commit(identity(&old, 1), "read", 5)))), fenced);
    let sync = Sync { who: identity(&old, 1), ..Sync::default() };
    assert_eq!(code(room.say(Ask::Sync(Box::new(sync)))), fenced);
    let again = Join { member: old.clone(), ..join_as("i") };
    assert_eq!(code(room.say(Ask::Join(Box::new(again)))), fenced);
    let leaver =
        Leaver { member: old.clone(), instance: Some("i".to_owned()), ..Leaver::default() };
    assert_eq!(code(room.say(Ask::Leave(vec![leaver]))), fenced);
    assert_eq!(code(room.say(Ask::Commit(commit(identity(&new, 1), "read", 5)))), ErrorCode::NONE);
}

#[test]
fn an_instance_id_that_nobody_has_is_unknown() {
    let mut room = Room::new();
    let member = alone(&mut room);
    let other = Identity { instance: Some("other".to_owned()), ..who(&member, 1) };
    assert_eq!(code(room.say(Ask::Heartbeat(other))), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn an_administrator_takes_out_a_static_member_by_its_instance() {
    let mut room = Room::new();
    alone(&mut room);
    let leaver =
        |instance: &str| Leaver { instance: Some(instance.to_owned()), ..Leaver::default() };
    let told = room.say(Ask::Leave(vec![leaver("i"), leaver("other")]));
    let codes = vec![ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID];
    assert_eq!(told, Answer::Left(ErrorCode::NONE, codes));
    assert_eq!(room.state(), "Empty");
}

#[test]
fn a_static_member_that_is_away_keeps_its_place_for_a_session() {
    let mut room = Room::new();
    let away = alone(&mut room);
    let call = room.ask(Ask::Join(Box::new(join(""))));
    room.pass(9_999);
    assert!(room.answer(call).is_none(), "it may come back");
    room.pass(2);
    let joined = room.joined(call);
    assert_eq!(joined.members.len(), 1);
    assert_ne!(joined.member, away);
}
