//! Subscriptions by a pattern: matched beside the heartbeats, and again when topics come.

use super::beats::Reader;
use super::*;

fn joins(room: &mut Room, reader: &mut Reader, pattern: &str) -> Beaten {
    let beat = Beat { names: None, pattern: Some(pattern.to_owned()), ..reader.joins() };
    let beaten = room.hears(reader, beat);
    // The look of the clock that matches it.
    room.pass(0);
    beaten
}

#[test]
fn a_pattern_is_matched_after_the_join() {
    let mut room = Room::quick();
    room.topic("orders", 2);
    room.topic("offers", 1);
    room.topic("users", 4);
    let mut one = Reader::new("one", &[]);
    let beaten = joins(&mut room, &mut one, "o.*");
    assert_eq!((beaten.error, beaten.epoch), (ErrorCode::NONE, 1));
    assert_eq!(beaten.assignment, Some(Vec::new()));
    room.reports(&mut one);
    assert_eq!((one.epoch, one.count()), (2, 3));
    assert_eq!(room.consumer_described().members[0].pattern, "o.*");
    // A second one subscribes to what is known already.
    let mut two = Reader::new("two", &[]);
    let beaten = joins(&mut room, &mut two, "o.*");
    assert_eq!(beaten.epoch, 3);
    room.reload();
    assert_eq!(code(room.say(Ask::DeleteOffsets(vec![("offers".into(), vec![0])]))), {
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC
    });
    room.leaves(&one, -1);
    room.leaves(&two, -1);
    room.reload();
    let free = Ask::DeleteOffsets(vec![("offers".into(), vec![0])]);
    assert_eq!(code(room.say(free)), ErrorCode::NONE, "nobody reads that any more");
}

#[test]
fn topics_that_come_are_found() {
    let mut room = Room::quick();
    room.topic("o1", 1);
    let mut one = Reader::new("one", &[]);
    joins(&mut room, &mut one, "o.");
    room.reports(&mut one);
    assert_eq!(one.count(), 1);
    room.topic("o2", 2);
    room.reports(&mut one);
    room.pass(0);
    room.reports(&mut one);
    assert_eq!(one.count(), 1, "not more often than every ten seconds");
    room.pass(9_000);
    room.reports(&mut one);
    room.pass(1_001);
    room.reports(&mut one);
    room.pass(0);
    room.reports(&mut one);
    assert_eq!((one.epoch, one.count()), (3, 3));
    // One that grows is seen at once, and one that goes when it is looked for again.
    room.topic("o2", 4);
    room.reports(&mut one);
    assert_eq!((one.epoch, one.count()), (4, 5));
}

#[test]
fn what_is_no_pattern_is_refused() {
    let mut room = Room::quick();
    room.topic("t", 1);
    let mut one = Reader::new("one", &[]);
    let refused = joins(&mut room, &mut one, "(");
    assert_eq!(refused.error, ErrorCode::INVALID_REGULAR_EXPRESSION);
    let message = refused.message.unwrap_or_default();
    assert!(message.starts_with("SubscribedTopicRegex `(` is not a valid"), "{message}");
    assert!(room.log.is_empty());
    let long = joins(&mut room, &mut one, &"a".repeat(1 << 20));
    assert_eq!(long.error, ErrorCode::INVALID_REGULAR_EXPRESSION);
}

#[test]
fn a_member_goes_from_a_pattern_to_names_and_back() {
    let mut room = Room::quick();
    room.topic("a", 1);
    room.topic("b", 1);
    let mut one = Reader::new("one", &[]);
    joins(&mut room, &mut one, "a");
    room.reports(&mut one);
    assert_eq!(one.count(), 1);
    let beat =
        Beat { names: Some(vec!["b".into()]), pattern: Some(String::new()), ..one.reports() };
    room.hears(&mut one, beat);
    room.reports(&mut one);
    let members = room.consumer_described().members;
    assert_eq!(
        (members[0].names.as_slice(), members[0].pattern.as_str()),
        (&["b".to_owned()][..], "")
    );
    assert_eq!(members[0].assignment[0].name, "b");
    room.reload();
    room.pass(9_000);
    room.reports(&mut one);
    room.pass(1_001);
    let beat = Beat { names: Some(Vec::new()), pattern: Some("[ab]".into()), ..one.reports() };
    room.hears(&mut one, beat);
    room.pass(0);
    room.reports(&mut one);
    room.reports(&mut one);
    assert_eq!(one.count(), 2);
}
