//! Members of groups of the new protocol come, go on and go; who is not who it says is refused.

use super::view::id_of;
use super::*;

/// A member as its client keeps it.
#[derive(Clone)]
pub struct Reader {
    pub id: String,
    pub epoch: i32,
    pub owned: Owned,
    pub instance: Option<String>,
    pub names: Vec<String>,
}

impl Reader {
    pub fn new(id: &str, names: &[&str]) -> Reader {
        Reader {
            id: id.to_owned(),
            epoch: 0,
            owned: Vec::new(),
            instance: None,
            names: names.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    pub fn fixed(id: &str, instance: &str, names: &[&str]) -> Reader {
        Reader { instance: Some(instance.to_owned()), ..Reader::new(id, names) }
    }

    /// A heartbeat that says no more than it has to.
    pub fn beat(&self) -> Beat {
        Beat {
            chooses_id: true,
            member: self.id.clone(),
            epoch: self.epoch,
            instance: self.instance.clone(),
            client_id: "c".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            rebalance_timeout_ms: -1,
            ..Beat::default()
        }
    }

    pub fn joins(&self) -> Beat {
        Beat {
            epoch: 0,
            rebalance_timeout_ms: 60_000,
            names: Some(self.names.clone()),
            owned: Some(Vec::new()),
            ..self.beat()
        }
    }

    /// One that also says what it has.
    pub fn reports(&self) -> Beat {
        Beat { owned: Some(self.owned.clone()), ..self.beat() }
    }

    /// How many partitions it has.
    pub fn count(&self) -> usize {
        self.owned.iter().map(|(_, partitions)| partitions.len()).sum()
    }
}

impl Room {
    pub fn beat(&mut self, beat: Beat) -> Beaten {
        match self.say(Ask::Beat(Box::new(beat))) {
            Answer::Beaten(beaten) => *beaten,
            other => panic!("not beaten: {other:?}"),
        }
    }

    /// Has a reader do as it is told, at once.
    pub fn hears(&mut self, reader: &mut Reader, beat: Beat) -> Beaten {
        let beaten = self.beat(beat);
        if beaten.error.is_none() {
            reader.epoch = beaten.epoch;
            if let Some(assignment) = &beaten.assignment {
                reader.owned = assignment.clone();
            }
        }
        beaten
    }

    pub fn joins(&mut self, reader: &mut Reader) -> Beaten {
        let beat = reader.joins();
        let beaten = self.hears(reader, beat);
        assert_eq!(beaten.error, ErrorCode::NONE, "{beaten:?}");
        beaten
    }

    /// A heartbeat that says what it has.
    pub fn reports(&mut self, reader: &mut Reader) -> Beaten {
        let beat = reader.reports();
        let beaten = self.hears(reader, beat);
        assert_eq!(beaten.error, ErrorCode::NONE, "{beaten:?}");
        beaten
    }

    pub fn leaves(&mut self, reader: &Reader, epoch: i32) -> Beaten {
        self.beat(Beat { epoch, ..reader.beat() })
    }

    pub fn consumer_described(&mut self) -> DescribedConsumer {
        match self.say(Ask::DescribeConsumer) {
            Answer::DescribedConsumer(described) => *described,
            other => panic!("not described: {other:?}"),
        }
    }

    /// Short sessions, and partitions shared at once.
    pub fn quick() -> Room {
        Room::with(&[
            ("group.consumer.min.session.timeout.ms", "1000"),
            ("group.consumer.session.timeout.ms", "10000"),
            ("group.consumer.assignment.interval.ms", "0"),
        ])
    }
}

#[test]
fn one_member_reads_all_and_leaves() {
    let mut room = Room::quick();
    room.topic("t", 3);
    let mut one = Reader::new("one", &["t"]);
    let beaten = room.joins(&mut one);
    assert_eq!(beaten.member.as_deref(), Some("one"));
    assert_eq!((beaten.epoch, beaten.interval_ms), (2, 5000));
    assert_eq!(beaten.assignment, Some(vec![(id_of("t"), vec![0, 1, 2])]));
    let written = room.log.len();
    let beat = one.beat();
    let beaten = room.hears(&mut one, beat);
    assert_eq!((beaten.error, beaten.epoch, beaten.assignment), (ErrorCode::NONE, 2, None));
    assert_eq!(room.log.len(), written, "a heartbeat that changes nothing is not written down");
    let described = room.consumer_described();
    assert_eq!((described.state, described.epoch, described.assignment_epoch), ("Stable", 2, 2));
    assert_eq!(described.assignor, "uniform");
    let member = &described.members[0];
    assert_eq!((member.member.as_str(), member.epoch), ("one", 2));
    assert_eq!(member.assignment, member.target);
    assert_eq!(member.assignment[0].partitions, [0, 1, 2]);
    room.reload();
    assert_eq!(room.consumer_described(), described, "what was written says the same");
    let beaten = room.leaves(&one, -1);
    assert_eq!((beaten.error, beaten.epoch), (ErrorCode::NONE, -1));
    let described = room.consumer_described();
    assert_eq!((described.state, described.epoch, described.members.len()), ("Empty", 3, 0));
    assert_eq!(code(room.say(Ask::Delete)), ErrorCode::NONE);
    assert_eq!(room.consumer_described().error, ErrorCode::GROUP_ID_NOT_FOUND);
    room.reload();
    assert_eq!(room.consumer_described().error, ErrorCode::GROUP_ID_NOT_FOUND);
}

#[test]
fn what_a_heartbeat_must_say_is_checked() {
    let mut room = Room::quick();
    room.topic("t", 1);
    let one = Reader::new("one", &["t"]);
    let joins = one.joins();
    let mut check = |beat: Beat, code: ErrorCode, message: &str| {
        let beaten = room.beat(beat);
        assert_eq!((beaten.error, beaten.message.as_deref()), (code, Some(message)));
        assert!(room.log.is_empty(), "{message}");
    };
    let invalid = ErrorCode::INVALID_REQUEST;
    check(Beat { member: " ".into(), ..joins.clone() }, invalid, "MemberId can't be empty.");
    let blank = Some(" ".to_owned());
    check(Beat { instance: blank.clone(), ..joins.clone() }, invalid, "InstanceId can't be empty.");
    check(Beat { rack: blank, ..joins.clone() }, invalid, "RackId can't be empty.");
    check(
        Beat { rebalance_timeout_ms: -1, ..joins.clone() },
        invalid,
        "RebalanceTimeoutMs must be provided in first request.",
    );
    let must = "TopicPartitions must be empty when (re-)joining.";
    check(Beat { owned: None, ..joins.clone() }, invalid, must);
    check(Beat { owned: Some(vec![(id_of("t"), vec![0])]), ..joins.clone() }, invalid, must);
    check(
        Beat { names: None, ..joins.clone() },
        invalid,
        "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
    );
    check(Beat { epoch: -2, ..joins.clone() }, invalid, "InstanceId can't be null.");
    check(Beat { epoch: -3, ..joins.clone() }, invalid, "MemberEpoch is invalid.");
    check(
        Beat { assignor: Some("none".into()), ..joins.clone() },
        ErrorCode::UNSUPPORTED_ASSIGNOR,
        "ServerAssignor none is not supported. Supported assignors: uniform, range.",
    );
    let missing = ErrorCode::GROUP_ID_NOT_FOUND;
    check(Beat { epoch: 1, ..joins.clone() }, missing, "Consumer group g not found.");
    check(Beat { epoch: -1, ..joins }, missing, "Group g not found.");
}

#[test]
fn who_does_not_know_its_epoch_is_fenced() {
    let mut room = Room::quick();
    room.topic("t", 2);
    let (mut one, mut two) = (Reader::new("one", &["t"]), Reader::new("two", &["t"]));
    room.joins(&mut one);
    room.joins(&mut two);
    let before = one.clone();
    // It gives up a partition, and is told of the new epoch.
    room.reports(&mut one);
    room.reports(&mut one);
    assert_eq!((before.epoch, one.epoch), (2, 3));
    let ahead = room.beat(Beat { epoch: 9, ..one.beat() });
    assert_eq!(ahead.error, ErrorCode::FENCED_MEMBER_EPOCH);
    let message = "The consumer group member has a greater member epoch (9) than the one known by \
                   the group coordinator (3). The member must abandon all its partitions and rejoin.";
    assert_eq!(ahead.message.as_deref(), Some(message));
    // It has not heard of the new epoch, and has nothing but its own.
    let again = room.beat(Beat { epoch: 2, ..one.reports() });
    assert_eq!((again.error, again.epoch), (ErrorCode::NONE, 3));
    let silent = room.beat(Beat { epoch: 2, ..one.beat() });
    assert_eq!(silent.error, ErrorCode::FENCED_MEMBER_EPOCH);
    let greedy = room.beat(Beat { epoch: 2, owned: Some(before.owned), ..one.beat() });
    assert_eq!(greedy.error, ErrorCode::FENCED_MEMBER_EPOCH);
    let stranger = room.beat(Beat { epoch: 2, ..Reader::new("three", &["t"]).beat() });
    assert_eq!(stranger.error, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(stranger.message.as_deref(), Some("Member three is not a member of group g."));
}

#[test]
fn a_group_has_so_many_members_and_no_more() {
    let mut room = Room::with(&[("group.consumer.max.size", "1")]);
    room.topic("t", 2);
    let mut one = Reader::new("one", &["t"]);
    room.joins(&mut one);
    let refused = room.beat(Reader::new("two", &["t"]).joins());
    assert_eq!(refused.error, ErrorCode::GROUP_MAX_SIZE_REACHED);
    let message = "The consumer group has reached its maximum capacity of 1 members.";
    assert_eq!(refused.message.as_deref(), Some(message));
    room.joins(&mut one);
}

#[test]
fn a_static_member_comes_back_under_another_id_to_what_it_had() {
    let mut room = Room::quick();
    room.topic("t", 4);
    let (mut one, mut two) = (Reader::fixed("one", "i", &["t"]), Reader::new("two", &["t"]));
    room.joins(&mut one);
    room.joins(&mut two);
    room.reports(&mut one);
    room.reports(&mut one);
    room.reports(&mut two);
    assert_eq!((one.count(), two.count()), (2, 2));
    let mut back = Reader::fixed("three", "i", &["t"]);
    let refused = room.beat(back.joins());
    assert_eq!(refused.error, ErrorCode::UNRELEASED_INSTANCE_ID);
    let message = "Static member three with instance id i cannot join the group because the \
                   instance id is owned by one member.";
    assert_eq!(refused.message.as_deref(), Some(message));
    assert_eq!(room.leaves(&one, -2).epoch, -2);
    room.reload();
    let epoch = room.consumer_described().epoch;
    room.joins(&mut back);
    assert_eq!(room.consumer_described().epoch, epoch, "nothing is shared anew");
    assert_eq!(back.owned, one.owned);
    room.reload();
    let members = room.consumer_described().members;
    let ids: Vec<&str> = members.iter().map(|member| member.member.as_str()).collect();
    assert_eq!(ids, ["three", "two"]);
}

#[test]
fn who_was_replaced_in_its_instance_is_fenced() {
    let mut room = Room::quick();
    room.topic("t", 2);
    let mut one = Reader::fixed("one", "i", &["t"]);
    room.joins(&mut one);
    room.leaves(&one, -2);
    let mut two = Reader::fixed("two", "i", &["t"]);
    room.joins(&mut two);
    let fenced = room.beat(one.beat());
    assert_eq!(fenced.error, ErrorCode::FENCED_INSTANCE_ID);
    let message = "Static member one with instance id i was fenced by member two.";
    assert_eq!(fenced.message.as_deref(), Some(message));
    assert_eq!(room.leaves(&one, -1).error, ErrorCode::FENCED_INSTANCE_ID);
    let unknown = room.beat(Beat { instance: Some("j".into()), ..one.beat() });
    assert_eq!(unknown.error, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(unknown.message.as_deref(), Some("Instance id j is unknown."));
}

#[test]
fn who_is_silent_for_a_session_is_taken_out() {
    let mut room = Room::quick();
    room.topic("t", 2);
    let mut one = Reader::fixed("one", "i", &["t"]);
    room.joins(&mut one);
    room.pass(9_000);
    room.reports(&mut one);
    room.pass(9_000);
    assert_eq!(room.consumer_described().members.len(), 1);
    room.pass(1_001);
    assert_eq!(room.consumer_described().state, "Empty");
    // After a restart sessions begin anew.
    room.joins(&mut one);
    room.pass(9_000);
    room.reload();
    room.pass(9_000);
    assert_eq!(room.consumer_described().members.len(), 1);
    room.pass(1_001);
    assert_eq!(room.consumer_described().state, "Empty");
}

#[test]
fn a_group_may_have_times_of_its_own() {
    let mut room = Room::quick();
    room.topic("t", 2);
    room.configure(&[
        ("consumer.session.timeout.ms", "2000"),
        ("consumer.heartbeat.interval.ms", "7000"),
    ]);
    let mut one = Reader::new("one", &["t"]);
    assert_eq!(room.joins(&mut one).interval_ms, 7000);
    room.pass(2_001);
    assert_eq!(room.consumer_described().state, "Empty");
}

#[test]
fn commits_are_those_of_the_present_epoch_or_of_what_was_held_since() {
    let mut room = Room::quick();
    room.topic("t", 2);
    let (mut one, mut two) = (Reader::new("one", &["t"]), Reader::new("two", &["t"]));
    room.joins(&mut one);
    room.joins(&mut two);
    let commits = |member: &str, epoch: i32, partition: i32| {
        let mut commit = commit(who(member, epoch), "t", 5);
        commit.knows_epochs = true;
        commit.topics[0].id = id_of("t");
        commit.topics[0].partitions[0].partition = partition;
        Ask::Commit(commit)
    };
    let check = |room: &mut Room, ask: Ask, expect| assert_eq!(code(room.say(ask)), expect);
    check(&mut room, commits("one", 2, 0), ErrorCode::NONE);
    check(&mut room, commits("one", 3, 0), ErrorCode::STALE_MEMBER_EPOCH);
    check(&mut room, commits("nobody", 2, 0), ErrorCode::UNKNOWN_MEMBER_ID);
    check(&mut room, commits("", -1, 0), ErrorCode::UNKNOWN_MEMBER_ID);
    room.reports(&mut one);
    room.reports(&mut one);
    room.reports(&mut two);
    // KIP-1251: of an epoch before, as long as the partition was the member's then.
    let kept = one.owned[0].1[0];
    check(&mut room, commits("one", 2, kept), ErrorCode::NONE);
    check(&mut room, commits("one", 2, 1 - kept), ErrorCode::STALE_MEMBER_EPOCH);
    check(&mut room, commits("one", 1, kept), ErrorCode::STALE_MEMBER_EPOCH);
    let old = Ask::Commit(Commit { topics: Vec::new(), ..commit(who("one", 3), "t", 5) });
    let answer = room.say(old);
    assert_eq!(answer, Answer::Committed(Vec::new()));
    let mut old = commit(who("one", 3), "t", 5);
    old.topics[0].id = id_of("t");
    check(&mut room, Ask::Commit(old), ErrorCode::UNSUPPORTED_VERSION);
    // What was committed is told to members that know their epoch.
    let mut fetches = |who: Option<(&str, i32)>, expect| {
        let fetch = Fetch {
            topics: Some(vec![("t".into(), vec![kept])]),
            who: who.map(|(member, epoch)| (member.to_owned(), epoch)),
            ..Fetch::default()
        };
        assert_eq!(code(room.say(Ask::Fetch(fetch))), expect);
    };
    fetches(None, ErrorCode::NONE);
    fetches(Some(("one", 3)), ErrorCode::NONE);
    fetches(Some(("one", 2)), ErrorCode::STALE_MEMBER_EPOCH);
    fetches(Some(("nobody", 2)), ErrorCode::UNKNOWN_MEMBER_ID);
    let subscribed = Ask::DeleteOffsets(vec![("t".into(), vec![kept])]);
    check(&mut room, subscribed.clone(), ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
    room.leaves(&one, -1);
    room.leaves(&two, -1);
    check(&mut room, subscribed, ErrorCode::NONE);
    let mut admin = commit(who("", -1), "t", 7);
    admin.topics[0].id = id_of("t");
    check(&mut room, Ask::Commit(admin), ErrorCode::NONE);
}

#[test]
fn groups_of_both_kinds_are_listed_and_described_as_what_they_are() {
    let mut room = Room::quick();
    room.topic("t", 1);
    room.joins(&mut Reader::new("one", &["t"]));
    let list = |states: &[&str], types: &[&str]| Ask::List {
        states: states.iter().map(|&one| one.to_owned()).collect(),
        types: types.iter().map(|&one| one.to_owned()).collect(),
    };
    let mut check = |ask: Ask, expect: &[(&str, &str, &str)]| match room.say(ask) {
        Answer::Listed(listed) => {
            let found: Vec<(&str, &str, &str)> = listed
                .iter()
                .map(|one| (one.kind, one.state, one.protocol_type.as_str()))
                .collect();
            assert_eq!(found, expect);
        }
        other => panic!("not listed: {other:?}"),
    };
    check(list(&[], &[]), &[("consumer", "Stable", "consumer")]);
    check(list(&["stable"], &["Consumer"]), &[("consumer", "Stable", "consumer")]);
    check(list(&[], &["classic"]), &[]);
    check(list(&["Reconciling"], &[]), &[]);
    match room.say(Ask::Describe) {
        Answer::Described(described) => {
            assert_eq!(described.error, ErrorCode::GROUP_ID_NOT_FOUND);
            assert_eq!(described.message.as_deref(), Some("Group g is not a classic group."));
        }
        other => panic!("not described: {other:?}"),
    }
}
