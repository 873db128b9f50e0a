//! The coordinator's rules, each by cases; and its records, replayed.

use std::rc::Rc;
use std::time::Duration;

use super::record;
use super::*;
use crate::base::prng::Prng;
use crate::base::time::Instant;
use crate::config::BrokerConfig;
use crate::coordinator::outcome::{Call, Entry, Machine, Now, Outcome, Record, Rules, Seed};
use crate::coordinator::{batch_bytes, view};
use crate::model::PartitionId;
use crate::model::error_code::ErrorCode;

const ID: &str = "t";

/// A machine with its clock and its log.
struct Desk {
    machine: TxnMachine,
    now: Now,
    log: Vec<Record>,
    effects: Vec<Effect>,
    next_id: i64,
}

fn seed() -> Seed {
    Seed {
        partition: PartitionId(0),
        rules: Rules {
            config: Rc::new(BrokerConfig::default()),
            batch_bytes_max: 1 << 20,
            view: view::nothing(),
        },
        random: Prng::new(1),
    }
}

impl Desk {
    fn new() -> Desk {
        let now = Now { at: Instant::from_nanos(1), unix_ms: 1_000_000 };
        let mut machine = TxnMachine::new(seed());
        machine.loaded(now);
        Desk { machine, now, log: Vec::new(), effects: Vec::new(), next_id: 100 }
    }

    fn keep(&mut self, outcome: Outcome<Answer, Effect>) -> Option<Answer> {
        self.log.extend(outcome.records);
        self.effects.extend(outcome.effects);
        outcome.answers.into_iter().next().map(|(_, answer)| answer)
    }

    fn ask(&mut self, ask: Ask) -> Answer {
        let request = Request::Of { transactional_id: ID.into(), ask };
        let outcome = self.machine.decide(Call(1), request, self.now);
        self.keep(outcome).expect("every request is answered")
    }

    fn spare(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id - 1
    }

    fn init(&mut self, expected: Option<(i64, i16)>) -> Answer {
        let expected = expected.map(|(id, epoch)| Producer { id, epoch });
        match self.ask(Ask::Init { timeout_ms: 1000, expected, spare_id: None }) {
            Answer::WantsId => {
                let spare_id = Some(self.spare());
                self.ask(Ask::Init { timeout_ms: 1000, expected, spare_id })
            }
            answer => answer,
        }
    }

    fn add(&mut self, producer: (i64, i16), level: Level) -> Answer {
        let producer = Producer { id: producer.0, epoch: producer.1 };
        self.ask(Ask::Add { producer, partitions: parts(&[("a", 0), ("b", 3)]), level })
    }

    fn end(&mut self, producer: (i64, i16), commit: bool, level: Level) -> Answer {
        let producer = Producer { id: producer.0, epoch: producer.1 };
        match self.ask(Ask::End { producer, commit, level, spare_id: None }) {
            Answer::WantsId => {
                let spare_id = Some(self.spare());
                self.ask(Ask::End { producer, commit, level, spare_id })
            }
            answer => answer,
        }
    }

    fn mark(&mut self) {
        let Some(Effect::Mark(ending)) = self.effects.pop() else { panic!("nothing is to end") };
        self.ask(Ask::Marked { producer: ending.producer });
    }

    fn pass(&mut self, ms: u64) {
        self.now.at = self.now.at + Duration::from_millis(ms);
        self.now.unix_ms += ms as i64;
        if self.machine.wake_at().is_some_and(|at| at <= self.now.at) {
            let outcome = self.machine.elapse(self.now);
            self.keep(outcome);
        }
    }

    fn state(&self) -> Option<State> {
        self.machine.get(ID).map(|transaction| transaction.state)
    }

    /// The same, made from the log.
    fn restart(&mut self) {
        let mut machine = TxnMachine::new(seed());
        for Record { key, value } in &self.log {
            let value = value.as_deref();
            machine.apply(Entry::Record { key, value, writer: None }, self.now);
        }
        self.effects = machine.loaded(self.now).effects;
        self.machine = machine;
    }

    /// Puts the epoch where it is dear to count to.
    fn force_epoch(&mut self, epoch: i16) {
        let mut transaction = self.machine.get(ID).expect("it is known").clone();
        transaction.producer.epoch = epoch;
        self.log.push(record::encode(ID, &transaction));
        self.restart();
    }
}

fn parts(list: &[(&str, i32)]) -> Partitions {
    let mut partitions = Partitions::new();
    for &(topic, partition) in list {
        partitions.entry(topic.to_owned()).or_default().insert(partition);
    }
    partitions
}

fn producer(id: i64, epoch: i16) -> Answer {
    Answer::Producer(Producer { id, epoch })
}

fn refused(error: ErrorCode) -> Answer {
    Answer::Refused(error)
}

#[test]
fn each_begin_raises_the_epoch_and_fences_the_one_before() {
    let mut desk = Desk::new();
    assert_eq!(desk.init(None), producer(100, 0));
    assert_eq!(desk.init(None), producer(100, 1));
    assert_eq!(desk.add((100, 0), Level::Zero), refused(ErrorCode::PRODUCER_FENCED));
    assert_eq!(desk.add((99, 1), Level::Zero), refused(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
    assert_eq!(desk.add((100, 1), Level::Zero), Answer::Done);
    let (old, commit) = ((100, 0), true);
    assert_eq!(desk.end(old, commit, Level::Zero), refused(ErrorCode::PRODUCER_FENCED));
    assert_eq!(
        desk.end((99, 1), commit, Level::Two),
        refused(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
    );
}

#[test]
fn a_producer_that_lost_its_answer_asks_again_and_gets_the_same() {
    let mut desk = Desk::new();
    assert_eq!(desk.init(None), producer(100, 0));
    assert_eq!(desk.init(Some((100, 0))), producer(100, 1));
    assert_eq!(desk.init(Some((100, 0))), producer(100, 1), "KIP-360: the answer was lost");
    assert_eq!(desk.init(Some((7, 0))), refused(ErrorCode::PRODUCER_FENCED));
    assert_eq!(desk.init(Some((100, 1))), producer(100, 2));
    assert_eq!(desk.init(Some((100, 0))), refused(ErrorCode::PRODUCER_FENCED));
    // After a restart it is not known what the epoch before was.
    desk.restart();
    assert_eq!(desk.init(Some((100, 1))), refused(ErrorCode::PRODUCER_FENCED));
    assert_eq!(desk.init(Some((100, 2))), producer(100, 3));
}

#[test]
fn a_begin_during_a_transaction_aborts_it_first() {
    for level in [Level::Zero, Level::Two] {
        let mut desk = Desk::new();
        desk.init(None);
        desk.add((100, 0), level);
        assert_eq!(desk.init(None), refused(ErrorCode::CONCURRENT_TRANSACTIONS));
        assert_eq!(desk.state(), Some(State::PrepareAbort));
        assert_eq!(desk.init(None), refused(ErrorCode::CONCURRENT_TRANSACTIONS));
        assert_eq!(desk.add((100, 0), level), refused(ErrorCode::PRODUCER_FENCED));
        let Some(Effect::Mark(ending)) = desk.effects.last() else { panic!("it is aborted") };
        assert_eq!((ending.producer.epoch, ending.commit), (1, false), "the epoch fences");
        desk.mark();
        assert_eq!(desk.state(), Some(State::CompleteAbort));
        assert_eq!(desk.init(None), producer(100, 2));
    }
}

#[test]
fn an_end_keeps_the_epoch_of_an_old_client_and_raises_that_of_a_new_one() {
    let mut desk = Desk::new();
    desk.init(None);
    for commit in [true, false] {
        desk.add((100, 0), Level::Zero);
        assert_eq!(desk.end((100, 0), commit, Level::Zero), Answer::Done);
        let retry = refused(ErrorCode::CONCURRENT_TRANSACTIONS);
        assert_eq!(desk.end((100, 0), commit, Level::Zero), retry);
        assert_eq!(desk.end((100, 0), !commit, Level::Zero), refused(ErrorCode::INVALID_TXN_STATE));
        assert_eq!(desk.add((100, 0), Level::Zero), retry);
        desk.mark();
        assert_eq!(desk.end((100, 0), commit, Level::Zero), Answer::Done, "asked again");
        assert_eq!(desk.end((100, 0), !commit, Level::Zero), refused(ErrorCode::INVALID_TXN_STATE));
    }
    for (epoch, commit) in [(0, true), (1, false), (2, true)] {
        let (present, next) = ((100, epoch), producer(100, epoch + 1));
        desk.add(present, Level::Two);
        assert_eq!(desk.end(present, commit, Level::Two), next);
        let retry = refused(ErrorCode::CONCURRENT_TRANSACTIONS);
        assert_eq!(desk.end(present, commit, Level::Two), retry);
        assert_eq!(desk.end(present, !commit, Level::Two), refused(ErrorCode::INVALID_TXN_STATE));
        assert_eq!(
            desk.end((100, epoch + 2), commit, Level::Two),
            refused(ErrorCode::PRODUCER_FENCED)
        );
        desk.mark();
        assert_eq!(desk.end(present, commit, Level::Two), next, "asked again");
        assert_eq!(desk.end(present, !commit, Level::Two), refused(ErrorCode::INVALID_TXN_STATE));
        assert_eq!(
            desk.end((100, epoch + 1), true, Level::Two),
            refused(ErrorCode::INVALID_TXN_STATE)
        );
    }
}

/// The producer goes on as soon as an end is decided, and may end a transaction in which it wrote
/// nothing before the markers of the last one are written. It was fenced for that.
#[test]
fn an_end_that_comes_before_the_last_is_complete_waits() {
    let mut desk = Desk::new();
    desk.init(None);
    desk.add((100, 0), Level::Two);
    assert_eq!(desk.end((100, 0), true, Level::Two), producer(100, 1));
    for commit in [true, false] {
        let retry = refused(ErrorCode::CONCURRENT_TRANSACTIONS);
        assert_eq!(desk.end((100, 1), commit, Level::Two), retry);
        assert_eq!(desk.state(), Some(State::PrepareCommit));
    }
    desk.mark();
    assert_eq!(desk.end((100, 1), false, Level::Two), producer(100, 2));
    desk.mark();
    // The same where the epochs are used up and the producer goes on with another id.
    desk.force_epoch(i16::MAX - 1);
    desk.add((100, i16::MAX - 1), Level::Two);
    assert_eq!(desk.end((100, i16::MAX - 1), true, Level::Two), producer(101, 0));
    let retry = refused(ErrorCode::CONCURRENT_TRANSACTIONS);
    assert_eq!(desk.end((101, 0), false, Level::Two), retry);
    desk.mark();
    assert_eq!(desk.end((101, 0), false, Level::Two), producer(101, 1));
}

#[test]
fn an_empty_transaction_may_be_aborted_by_new_clients_alone() {
    let mut desk = Desk::new();
    assert_eq!(
        desk.end((100, 0), false, Level::Two),
        refused(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
    );
    desk.init(None);
    for commit in [true, false] {
        assert_eq!(desk.end((100, 0), commit, Level::Zero), refused(ErrorCode::INVALID_TXN_STATE));
    }
    assert_eq!(desk.end((100, 0), true, Level::Two), refused(ErrorCode::INVALID_TXN_STATE));
    for epoch in 0..3 {
        assert_eq!(desk.end((100, epoch), false, Level::Two), producer(100, epoch + 1));
        let Some(Effect::Mark(ending)) = desk.effects.last() else { panic!("it is completed") };
        assert!(ending.partitions.is_empty());
        desk.mark();
        assert_eq!(desk.state(), Some(State::CompleteAbort));
    }
}

#[test]
fn a_producer_whose_epochs_are_used_up_gets_another_id() {
    let last = i16::MAX - 1;
    let mut desk = Desk::new();
    desk.init(None);
    desk.force_epoch(last);
    assert_eq!(desk.init(Some((100, last))), producer(101, 0));
    // It may still say the old one.
    assert_eq!(desk.init(Some((100, last))), producer(101, 0));
    assert_eq!(desk.init(Some((100, 3))), refused(ErrorCode::PRODUCER_FENCED));

    let mut desk = Desk::new();
    desk.init(None);
    desk.force_epoch(last);
    assert_eq!(desk.add((100, last), Level::Two), Answer::Done);
    assert_eq!(desk.end((100, last), true, Level::Two), producer(101, 0));
    let Some(Effect::Mark(ending)) = desk.effects.last() else { panic!("it is committed") };
    assert_eq!(ending.producer, Producer { id: 100, epoch: i16::MAX }, "the marker's");
    desk.mark();
    assert_eq!(desk.end((100, last), true, Level::Two), producer(101, 0), "asked again");
    assert_eq!(desk.add((101, 0), Level::Two), Answer::Done);
    // And by force.
    desk.force_epoch(last);
    desk.pass(20_000);
    let wants = Producer { id: 101, epoch: last };
    let wanted = Effect::WantsId { transactional_id: ID.into(), producer: wants };
    assert_eq!(desk.effects.pop(), Some(wanted));
    assert_eq!(desk.ask(Ask::Expire { producer: wants, spare_id: 500 }), Answer::Done);
    desk.mark();
    assert_eq!(desk.init(None), producer(500, 1));
}

#[test]
fn a_transaction_ends_by_itself_when_its_time_is_up() {
    let mut desk = Desk::new();
    desk.init(None);
    desk.add((100, 0), Level::Zero);
    desk.pass(600);
    // Another partition does not prolong it.
    let more = parts(&[("c", 1)]);
    let ask =
        Ask::Add { producer: Producer { id: 100, epoch: 0 }, partitions: more, level: Level::Zero };
    assert_eq!(desk.ask(ask), Answer::Done);
    desk.pass(400);
    assert_eq!(desk.state(), Some(State::Ongoing));
    desk.pass(1);
    assert_eq!(desk.state(), Some(State::PrepareAbort));
    assert_eq!(desk.end((100, 0), true, Level::Zero), refused(ErrorCode::PRODUCER_FENCED));
    desk.mark();
    // The time that was left goes on after a restart.
    desk.init(None);
    desk.add((100, 2), Level::Zero);
    desk.pass(700);
    desk.restart();
    desk.pass(200);
    assert_eq!(desk.state(), Some(State::Ongoing));
    desk.pass(101);
    assert_eq!(desk.state(), Some(State::PrepareAbort));
}

#[test]
fn what_ends_at_once_fits_the_batches_it_is_written_in() {
    let mut desk = Desk::new();
    let many: Vec<i32> = (0..2000).collect();
    let partitions = Partitions::from([("a".to_owned(), many.into_iter().collect())]);
    let ids: Vec<String> = (0..300).map(|number| format!("id-{number}")).collect();
    for (number, id) in ids.iter().enumerate() {
        let producer = Producer { id: number as i64, epoch: 0 };
        let spare_id = Some(producer.id);
        let init = Ask::Init { timeout_ms: 1000, expected: None, spare_id };
        let add = Ask::Add { producer, partitions: partitions.clone(), level: Level::Two };
        for ask in [init, add] {
            let request = Request::Of { transactional_id: id.clone(), ask };
            desk.machine.decide(Call(1), request, desk.now);
        }
    }
    desk.now.at = desk.now.at + Duration::from_millis(2000);
    desk.now.unix_ms += 2000;
    let mut batches = 0;
    while desk.machine.wake_at().is_some_and(|at| at <= desk.now.at) {
        let outcome = desk.machine.elapse(desk.now);
        assert!(batch_bytes(&outcome.records) <= 1 << 20);
        batches += 1;
    }
    assert!((2..10).contains(&batches), "{batches} batches");
    let open = |id: &&String| desk.machine.get(id).is_some_and(|it| it.state == State::Ongoing);
    assert_eq!(ids.iter().filter(open).count(), 0);
    // And what is too large for a batch by itself is refused.
    let far: Vec<i32> = (0..200_000).collect();
    let partitions = Partitions::from([("a".to_owned(), far.into_iter().collect())]);
    desk.init(None);
    let ask = Ask::Add { producer: Producer { id: 100, epoch: 0 }, partitions, level: Level::Two };
    assert_eq!(desk.ask(ask), refused(ErrorCode::UNKNOWN_SERVER_ERROR));
}

#[test]
fn an_id_that_is_not_used_is_forgotten() {
    let week = 7 * 24 * 3_600_000;
    let mut desk = Desk::new();
    desk.init(None);
    desk.pass(week - 3_600_000);
    assert_eq!(desk.state(), Some(State::Empty));
    desk.pass(3_600_000);
    assert_eq!(desk.state(), None);
    assert_eq!(desk.log.last(), Some(&record::tombstone(ID)));
    assert_eq!(desk.machine.wake_at(), None);
    desk.restart();
    assert_eq!(desk.state(), None);
}

#[test]
fn partitions_are_verified_while_the_transaction_is_under_way() {
    let mut desk = Desk::new();
    let asked = parts(&[("a", 0), ("a", 1), ("z", 0)]);
    let verify =
        |epoch| Ask::Verify { producer: Producer { id: 100, epoch }, partitions: asked.clone() };
    assert_eq!(desk.ask(verify(0)), refused(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
    desk.init(None);
    assert_eq!(desk.ask(verify(0)), Answer::Verified { missing: asked.clone() });
    desk.add((100, 0), Level::Zero);
    let missing = parts(&[("a", 1), ("z", 0)]);
    assert_eq!(desk.ask(verify(0)), Answer::Verified { missing });
    assert_eq!(desk.ask(verify(1)), refused(ErrorCode::PRODUCER_FENCED));
    desk.end((100, 0), true, Level::Zero);
    assert_eq!(desk.ask(verify(0)), refused(ErrorCode::CONCURRENT_TRANSACTIONS));
    desk.mark();
    assert_eq!(desk.ask(verify(0)), Answer::Verified { missing: asked.clone() });
}

#[test]
fn what_was_decided_is_carried_on_after_a_restart() {
    let mut desk = Desk::new();
    desk.init(None);
    desk.add((100, 0), Level::Two);
    assert_eq!(desk.end((100, 0), true, Level::Two), producer(100, 1));
    let before = desk.effects.clone();
    desk.restart();
    assert_eq!(desk.effects, before);
    let retry = refused(ErrorCode::CONCURRENT_TRANSACTIONS);
    assert_eq!(desk.end((100, 0), true, Level::Two), retry);
    desk.mark();
    assert_eq!(desk.state(), Some(State::CompleteCommit));
    assert_eq!(desk.end((100, 0), true, Level::Two), producer(100, 1));
    // Said twice, it changes nothing.
    let records = desk.log.len();
    desk.ask(Ask::Marked { producer: Producer { id: 100, epoch: 1 } });
    assert_eq!(desk.log.len(), records);
}

#[test]
fn lists_and_descriptions() {
    let mut desk = Desk::new();
    assert_eq!(desk.ask(Ask::Describe), refused(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND));
    desk.init(None);
    desk.add((100, 0), Level::Zero);
    let Answer::Described(described) = desk.ask(Ask::Describe) else { panic!("it is known") };
    assert_eq!(described.partitions, parts(&[("a", 0), ("b", 3)]));
    assert_eq!((described.started_ms, described.timeout_ms), (1_000_000, 1000));
    desk.now.unix_ms += 50;
    let check = |states: &[State], producer_ids: &[i64], longer_than_ms, found: usize| {
        let (states, producer_ids) = (states.to_vec(), producer_ids.to_vec());
        let filter = Filter { states, producer_ids, longer_than_ms };
        assert_eq!(desk.machine.list(&filter, desk.now.unix_ms).len(), found, "{filter:?}");
    };
    check(&[], &[], -1, 1);
    check(&[State::Ongoing, State::Empty], &[100, 7], 49, 1);
    check(&[], &[], 50, 0);
    check(&[State::Empty], &[], -1, 0);
    check(&[], &[7], -1, 0);
}

/// Whatever is asked in whatever order: the log tells the same as memory, an epoch never goes
/// back, and no transaction ends both ways.
#[test]
fn any_history_replays_to_the_same_state() {
    for seed in 0..200 {
        let mut random = Prng::new(seed);
        let mut desk = Desk::new();
        let mut newest = (0, -1);
        let mut decided: std::collections::BTreeMap<(i64, i16), bool> = Default::default();
        for _ in 0..80 {
            let epoch = newest.1 - random.below(2) as i16;
            let producer = (newest.0, epoch);
            let level = if random.chance(1, 2) { Level::Zero } else { Level::Two };
            match random.below(7) {
                0 => drop(desk.init(None)),
                1 => drop(desk.init(Some(producer))),
                2 | 3 => drop(desk.add(producer, level)),
                4 => drop(desk.end(producer, random.chance(1, 2), level)),
                5 => desk.pass(random.below(600)),
                _ => desk.restart(),
            }
            if let Some(Effect::Mark(ending)) = desk.effects.last().cloned() {
                let key = (ending.producer.id, ending.producer.epoch);
                if random.chance(1, 2) && level == Level::Two {
                    decided.insert(key, ending.commit);
                }
                if let Some(&commit) = decided.get(&key).filter(|_| ending.level == Level::Two) {
                    assert_eq!(commit, ending.commit, "seed {seed}: {key:?}");
                }
                if random.chance(1, 2) {
                    desk.mark();
                }
            }
            let Some(present) = desk.machine.get(ID).cloned() else { continue };
            let of_present = (present.producer.id, present.producer.epoch);
            assert!(of_present >= newest, "seed {seed}: {of_present:?} after {newest:?}");
            newest = of_present;
            let mut replayed = TxnMachine::new(self::seed());
            for Record { key, value } in &desk.log {
                let value = value.as_deref();
                replayed.apply(Entry::Record { key, value, writer: None }, desk.now);
            }
            let expected = Transaction { last_epoch: -1, ..present };
            assert_eq!(replayed.get(ID), Some(&expected), "seed {seed}");
        }
    }
}

/// As Apache Kafka 4.4 writes them.
#[test]
fn records_are_kafkas() {
    let transaction = Transaction {
        producer: Producer { id: 7, epoch: 1 },
        previous_producer_id: 7,
        next_producer_id: -1,
        last_epoch: 0,
        timeout_ms: 60_000,
        state: State::Ongoing,
        partitions: parts(&[("a", 0), ("a", 2)]),
        started_ms: 5,
        updated_ms: 6,
        level: Level::Two,
    };
    let Record { key, value } = record::encode("id", &transaction);
    assert_eq!(key, [0, 0, 0, 2, b'i', b'd']);
    let value = value.expect("it is no tombstone");
    let expected = [
        &[0, 1][..],                     // version 1
        &[0, 0, 0, 0, 0, 0, 0, 7],       // producer id
        &[0, 1],                         // epoch
        &[0, 0, 0xea, 0x60],             // time-out
        &[1],                            // Ongoing
        &[2],                            // one topic
        &[2, b'a'],                      // its name
        &[3, 0, 0, 0, 0, 0, 0, 0, 2],    // two partitions
        &[0],                            // no tags in it
        &[0, 0, 0, 0, 0, 0, 0, 6],       // changed
        &[0, 0, 0, 0, 0, 0, 0, 5],       // started
        &[2],                            // two tags
        &[0, 8, 0, 0, 0, 0, 0, 0, 0, 7], // previous producer id
        &[2, 2, 0, 2],                   // the client's level
    ]
    .concat();
    assert_eq!(value, expected);
    let read = record::decode(&key, Some(&value)).expect("what was written");
    assert_eq!(read, ("id".into(), Some(Transaction { last_epoch: -1, ..transaction })));
    for len in 0..value.len() {
        assert_eq!(record::decode(&key, Some(&value[..len])), None, "cut at {len}");
    }
    assert_eq!(record::decode(&[0, 1, 0, 0], None), None, "a later version");
}
