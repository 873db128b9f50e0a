//! Partitions pass from one member to another: the former holder lets go first, whatever happens.

use std::collections::BTreeMap;

use super::beats::Reader;
use super::view::id_of;
use super::*;

#[test]
fn a_partition_is_given_when_it_was_let_go_of() {
    let mut room = Room::quick();
    room.topic("t", 2);
    let (mut one, mut two) = (Reader::new("one", &["t"]), Reader::new("two", &["t"]));
    room.joins(&mut one);
    let beaten = room.joins(&mut two);
    assert_eq!((beaten.epoch, two.count()), (3, 0), "nothing is free yet");
    assert_eq!(room.consumer_described().state, "Reconciling");
    assert!(room.beat(two.beat()).assignment.is_none());
    // The first one is told, at its old epoch, and goes on until it says that it has let go.
    let told = room.beat(one.beat());
    assert_eq!(told.epoch, 2);
    let left = told.assignment.expect("less");
    assert_eq!(left.iter().map(|(_, p)| p.len()).sum::<usize>(), 1);
    assert!(room.beat(one.reports()).assignment.is_none(), "it still has both");
    assert!(room.beat(two.beat()).assignment.is_none());
    room.reload();
    assert!(room.beat(two.beat()).assignment.is_none());
    one.owned = left.clone();
    let beaten = room.reports(&mut one);
    assert_eq!((beaten.epoch, beaten.assignment), (3, None));
    let beat = two.beat();
    let given = room.hears(&mut two, beat).assignment.expect("what was let go of");
    assert_ne!(given, left);
    assert_eq!((two.epoch, two.count()), (3, 1));
    assert_eq!(room.consumer_described().state, "Stable");
}

#[test]
fn what_is_not_given_up_in_time_is_taken() {
    let mut room = Room::quick();
    room.topic("t", 2);
    let (mut one, mut two) = (Reader::new("one", &["t"]), Reader::new("two", &["t"]));
    room.joins(&mut one);
    room.joins(&mut two);
    assert!(room.beat(one.beat()).assignment.is_some());
    for _ in 0..59 {
        room.pass(1_000);
        assert_eq!(room.beat(one.beat()).error, ErrorCode::NONE);
        assert_eq!(room.beat(two.beat()).error, ErrorCode::NONE);
    }
    room.pass(1_001);
    assert_eq!(room.beat(one.beat()).error, ErrorCode::UNKNOWN_MEMBER_ID);
    let beat = two.beat();
    room.hears(&mut two, beat);
    assert_eq!(two.count(), 2);
}

#[test]
fn partitions_are_shared_anew_when_topics_change() {
    let mut room = Room::quick();
    room.topic("t", 1);
    let mut one = Reader::new("one", &["t", "u"]);
    room.joins(&mut one);
    assert_eq!((one.epoch, one.count()), (2, 1));
    room.topic("v", 5);
    room.reports(&mut one);
    assert_eq!((one.epoch, one.count()), (2, 1), "nobody reads that");
    room.topic("t", 3);
    room.reports(&mut one);
    assert_eq!((one.epoch, one.count()), (3, 3));
    room.topic("u", 2);
    room.reports(&mut one);
    assert_eq!((one.epoch, one.count()), (4, 5));
    room.topic("u", 0);
    room.reports(&mut one);
    one.owned.retain(|(topic, _)| *topic == id_of("t"));
    room.reports(&mut one);
    assert_eq!((one.epoch, one.count()), (5, 3));
    room.reload();
    let described = room.consumer_described();
    room.reports(&mut one);
    assert_eq!(room.consumer_described(), described, "nothing has changed with the restart");
}

#[test]
fn changes_that_come_together_are_shared_together() {
    let mut room = Room::with(&[("group.consumer.assignment.interval.ms", "1000")]);
    room.topic("t", 4);
    let (mut one, mut two) = (Reader::new("one", &["t"]), Reader::new("two", &["t"]));
    room.joins(&mut one);
    room.pass(500);
    room.joins(&mut two);
    let described = room.consumer_described();
    assert_eq!((described.epoch, described.assignment_epoch), (3, 2));
    assert_eq!((described.state, two.epoch, two.count()), ("Assigning", 2, 0));
    room.pass(500);
    room.reports(&mut two);
    let described = room.consumer_described();
    assert_eq!((described.epoch, described.assignment_epoch), (3, 3));
    assert_eq!((described.state, two.epoch), ("Reconciling", 3));
}

#[test]
fn who_no_longer_subscribes_lets_go() {
    let mut room = Room::quick();
    room.topic("t", 2);
    room.topic("u", 2);
    let mut one = Reader::new("one", &["t", "u"]);
    room.joins(&mut one);
    assert_eq!(one.count(), 4);
    let beat = Beat { names: Some(vec!["u".into()]), ..one.beat() };
    let beaten = room.hears(&mut one, beat);
    assert_eq!(beaten.assignment, Some(vec![(id_of("u"), vec![0, 1])]));
    assert_eq!(beaten.epoch, 2);
    room.reports(&mut one);
    assert_eq!(one.epoch, 3);
    assert_eq!(room.consumer_described().state, "Stable");
}

#[test]
fn members_say_how_partitions_are_shared() {
    let mut room = Room::quick();
    room.topic("t", 2);
    let mut one = Reader::new("one", &["t"]);
    room.joins(&mut one);
    assert_eq!(room.consumer_described().assignor, "uniform");
    let beat = Beat { assignor: Some("range".into()), ..one.beat() };
    room.hears(&mut one, beat);
    let described = room.consumer_described();
    assert_eq!((described.assignor.as_str(), described.epoch), ("range", 3));
    assert_eq!(one.epoch, 3);
}

/// Members that come, go, fall silent, hear late or never, and say things twice. No partition is ever
/// held by two of them that are not fenced.
#[test]
fn no_partition_has_two_holders_whatever_happens() {
    for seed in 0..200 {
        let mut random = Prng::new(seed);
        let mut room = Room::quick();
        let mut partitions = 1 + random.below(5) as i32;
        room.topic("t", partitions);
        let mut readers: Vec<Reader> = Vec::new();
        let mut next = 0;
        for _ in 0..200 {
            match random.below(12) {
                0 if readers.len() < 5 => {
                    let mut reader = Reader::new(&format!("m{next}"), &["t"]);
                    next += 1;
                    room.joins(&mut reader);
                    readers.push(reader);
                }
                1 if !readers.is_empty() => {
                    let at = random.below(readers.len() as u64) as usize;
                    let gone = readers.swap_remove(at);
                    room.leaves(&gone, -1);
                }
                2 => room.pass(random.below(6_000)),
                3 => room.reload(),
                4 if partitions < 9 => {
                    partitions += 1;
                    room.topic("t", partitions);
                }
                _ if !readers.is_empty() => {
                    let at = random.below(readers.len() as u64) as usize;
                    let mut reader = readers[at].clone();
                    let beat = match random.below(3) {
                        0 => reader.beat(),
                        _ => reader.reports(),
                    };
                    let lost = random.chance(1, 5);
                    let beaten = match lost {
                        true => room.beat(beat),
                        false => room.hears(&mut reader, beat),
                    };
                    match beaten.error {
                        ErrorCode::NONE => readers[at] = reader,
                        // It lets go of all that it has, and comes again.
                        _ => {
                            reader.owned.clear();
                            room.joins(&mut reader);
                            readers[at] = reader;
                        }
                    }
                }
                _ => {}
            }
            let described = room.consumer_described();
            let known: Vec<&str> =
                described.members.iter().map(|member| member.member.as_str()).collect();
            let mut holders: BTreeMap<i32, &str> = BTreeMap::new();
            // What a member has that was not taken out, as it believes itself.
            for reader in readers.iter().filter(|reader| known.contains(&reader.id.as_str())) {
                for &partition in reader.owned.iter().flat_map(|(_, partitions)| partitions) {
                    let other = holders.insert(partition, &reader.id);
                    assert_eq!(other, None, "seed {seed}: {partition} is also {}'s", reader.id);
                }
            }
        }
    }
}
