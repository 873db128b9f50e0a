//! The rules of groups, without a broker: a machine, a clock that is moved by hand, and the records
//! that were written, from which the machine can be made anew at any time.

mod beats;
mod migrating;
mod offsets;
mod patterns;
#[cfg(feature = "planted-bugs")]
pub(super) mod planted;
mod rebalance;
mod reconciling;
mod records;
mod statics;
mod view;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::*;
use crate::base::prng::Prng;
use crate::config::{BrokerConfig, BrokerSettings, Overrides};
use crate::coordinator::{Record, Writer};
use crate::model::PartitionId;
use crate::wire::consumer_protocol::Subscription;
use crate::wire::versioned::Versioned;
use view::TestView;

/// One thing that was written.
enum Written {
    Record(Record, Option<Writer>),
    Marker(Writer, bool),
}

struct Room {
    groups: Groups,
    settings: Overrides,
    view: TestView,
    now_ms: u64,
    log: Vec<Written>,
    calls: u64,
    told: BTreeMap<Call, Answer>,
}

const GROUP: &str = "g";

impl Room {
    fn new() -> Room {
        Room::with(&[])
    }

    fn with(settings: &[(&str, &str)]) -> Room {
        let settings: Overrides =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let view = TestView::default();
        let groups = Room::machine(&settings, &view, 1);
        let mut room = Room {
            groups,
            settings,
            view,
            now_ms: 1_000_000,
            log: Vec::new(),
            calls: 0,
            told: BTreeMap::new(),
        };
        let now = room.now();
        room.groups.loaded(now);
        room
    }

    fn machine(settings: &Overrides, view: &TestView, seed: u64) -> Groups {
        Groups::new(Seed {
            partition: PartitionId(0),
            rules: Room::rules(settings, view),
            random: Prng::new(seed),
        })
    }

    fn rules(settings: &Overrides, view: &TestView) -> Rules {
        let fixed = BrokerSettings { fixed: settings.clone(), ..BrokerSettings::default() };
        let config = Rc::new(BrokerConfig::resolve(&fixed));
        Rules { config, batch_bytes_max: 100_000, view: Rc::new(view.clone()) }
    }

    /// The topic has so many partitions from now on; 0: it is gone.
    fn topic(&mut self, name: &str, partitions: i32) {
        let new = self.view.set(name, partitions);
        self.groups.obey(Room::rules(&self.settings, &self.view));
        self.groups.topics_changed(&[name.to_owned()], new);
    }

    /// Sets something for the group.
    fn configure(&mut self, pairs: &[(&str, &str)]) {
        self.view.configure(pairs);
        self.groups.obey(Room::rules(&self.settings, &self.view));
    }

    fn now(&self) -> Now {
        Now {
            at: Instant::from_nanos(self.now_ms * 1_000_000),
            unix_ms: 1_700_000_000_000 + self.now_ms as i64,
        }
    }

    fn take(&mut self, out: Out) {
        let writer = out.writer;
        self.log.extend(out.records.into_iter().map(|record| Written::Record(record, writer)));
        for (call, answer) in out.answers {
            assert!(self.told.insert(call, answer).is_none(), "answered twice");
        }
    }

    fn ask_of(&mut self, group: &str, ask: Ask) -> Call {
        let call = Call(self.calls);
        self.calls += 1;
        let now = self.now();
        let out = self.groups.decide(call, Request { group: group.to_owned(), ask }, now);
        self.take(out);
        call
    }

    fn ask(&mut self, ask: Ask) -> Call {
        self.ask_of(GROUP, ask)
    }

    /// Asks what is answered at once.
    fn say(&mut self, ask: Ask) -> Answer {
        let call = self.ask(ask);
        self.answer(call).expect("an answer at once")
    }

    fn answer(&mut self, call: Call) -> Option<Answer> {
        self.told.remove(&call)
    }

    fn joined(&mut self, call: Call) -> Joined {
        match self.answer(call) {
            Some(Answer::Joined(joined)) => *joined,
            other => panic!("not joined: {other:?}"),
        }
    }

    fn synced(&mut self, call: Call) -> Synced {
        match self.answer(call) {
            Some(Answer::Synced(synced)) => synced,
            other => panic!("not synced: {other:?}"),
        }
    }

    /// Lets time pass, waking the machine when it wants to be.
    fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while let Some(at) = self.groups.wake_at() {
            let at_ms = at.as_nanos().div_ceil(1_000_000);
            if at_ms > end {
                break;
            }
            self.now_ms = self.now_ms.max(at_ms);
            let now = self.now();
            let out = self.groups.elapse(now);
            self.take(out);
        }
        self.now_ms = end;
    }

    fn marker(&mut self, writer: Writer, commit: bool) {
        let now = self.now();
        self.groups.apply(Entry::Marker { writer, commit }, now);
        self.log.push(Written::Marker(writer, commit));
    }

    /// As after a crash: all that is left is what was written.
    fn reload(&mut self) {
        self.groups = Room::machine(&self.settings, &self.view, 2 + self.calls);
        let now = self.now();
        for written in &self.log {
            let entry = match written {
                Written::Record(Record { key, value }, writer) => {
                    Entry::Record { key, value: value.as_deref(), writer: *writer }
                }
                Written::Marker(writer, commit) => {
                    Entry::Marker { writer: *writer, commit: *commit }
                }
            };
            self.groups.apply(entry, now);
        }
        let out = self.groups.loaded(now);
        self.take(out);
    }

    fn state(&mut self) -> String {
        match self.say(Ask::Describe) {
            Answer::Described(described) => described.state.to_owned(),
            other => panic!("{other:?}"),
        }
    }

    fn offset(&mut self, topic: &str) -> i64 {
        let topics = Some(vec![(topic.to_owned(), vec![0])]);
        match self.say(Ask::Fetch(Fetch { topics, ..Fetch::default() })) {
            Answer::Fetched(topics) => topics[0].partitions[0].offset,
            other => panic!("{other:?}"),
        }
    }

    /// A group of these many members that is stable; their ids, the leader's first.
    fn stable(&mut self, members: usize) -> Vec<String> {
        let calls: Vec<Call> =
            (0..members).map(|_| self.ask(Ask::Join(Box::new(join(""))))).collect();
        self.pass(3_000 * (members as u64 + 1));
        let mut joined: Vec<Joined> = calls.into_iter().map(|call| self.joined(call)).collect();
        joined.sort_by_key(|joined| joined.members.is_empty());
        let ids: Vec<String> = joined.iter().map(|joined| joined.member.clone()).collect();
        let shares = ids.iter().map(|id| (id.clone(), id.clone().into_bytes())).collect();
        let generation = joined[0].generation;
        let sync = self.ask(sync(&ids[0], generation, shares));
        assert_eq!(self.synced(sync).assignment, ids[0].as_bytes());
        for id in &ids[1..] {
            let sync = self.ask(sync_follower(id, generation));
            assert_eq!(self.synced(sync).assignment, id.as_bytes());
        }
        ids
    }

    fn generation(&self) -> i32 {
        match &self.groups.table[GROUP].kind {
            Kind::Classic(classic) => classic.generation,
            Kind::Consumer(_) => panic!("not a classic group"),
        }
    }
}

fn subscription(topics: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Subscription { topics: topics.to_vec(), ..Subscription::default() }.encode(0, &mut bytes);
    bytes
}

fn join(member: &str) -> Join {
    Join {
        member: member.to_owned(),
        client_id: "c".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![("range".to_owned(), subscription(&["read"]))],
        ..Join::default()
    }
}

fn who(member: &str, generation: i32) -> Identity {
    Identity { member: member.to_owned(), instance: None, generation }
}

fn sync(member: &str, generation: i32, assignments: Vec<(String, Vec<u8>)>) -> Ask {
    Ask::Sync(Box::new(Sync { who: who(member, generation), assignments, ..Sync::default() }))
}

fn sync_follower(member: &str, generation: i32) -> Ask {
    sync(member, generation, Vec::new())
}

fn commit(who: Identity, topic: &str, offset: i64) -> Commit {
    let partition = CommitPartition { offset, leader_epoch: -1, ..CommitPartition::default() };
    let topic =
        CommitTopic { name: topic.to_owned(), partitions: vec![partition], ..Default::default() };
    Commit { who, topics: vec![topic], ..Commit::default() }
}

fn code(answer: Answer) -> ErrorCode {
    match answer {
        Answer::Code(code) => code,
        Answer::Joined(joined) => joined.error,
        Answer::Synced(synced) => synced.error,
        Answer::Left(ErrorCode::NONE, codes) => codes[0],
        Answer::Left(error, _) => error,
        Answer::Committed(codes) => codes[0][0],
        Answer::OffsetsDeleted(ErrorCode::NONE, codes) => codes[0][0],
        Answer::OffsetsDeleted(error, _) => error,
        Answer::Described(described) => described.error,
        Answer::Fetched(topics) => topics[0].partitions[0].error,
        Answer::Listed(_) => ErrorCode::NONE,
        Answer::Beaten(beaten) => beaten.error,
        Answer::DescribedConsumer(described) => described.error,
        Answer::Refused(error) => error,
    }
}
