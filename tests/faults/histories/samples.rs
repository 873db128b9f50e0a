//! Histories made by hand: one for each anomaly, which must be found, and nothing else; and sound ones.

use std::collections::BTreeMap;
use std::time::Duration;

use super::judge::{Anomaly, judge};
use super::operation::{Function, Key, Kind, Operation, Step, Value};

const ALL: Function = Function::Txn;

fn operation(process: u32, kind: Kind, function: Function, value: Value) -> Operation {
    let time = Duration::ZERO;
    Operation { time, process, kind, function, value, from_the_beginning: false }
}

fn steps(process: u32, kind: Kind, function: Function, steps: &[Step]) -> Operation {
    operation(process, kind, function, Value::Steps(steps.to_vec()))
}

fn put(key: Key, offset: i64, value: u64) -> Step {
    Step::Send { key, value, offset: Some(offset) }
}

fn got(key: Key, records: &[(i64, u64)]) -> Step {
    Step::Poll(BTreeMap::from([(key, records.to_vec())]))
}

fn sent(process: u32, steps_: &[Step]) -> Operation {
    steps(process, Kind::Ok, Function::Send, steps_)
}

fn polled(process: u32, steps_: &[Step]) -> Operation {
    steps(process, Kind::Ok, Function::Poll, steps_)
}

fn assigned(process: u32) -> Operation {
    operation(process, Kind::Ok, Function::Assign, Value::Keys(vec![0]))
}

fn check(history: &[Operation], expect: &[Anomaly]) {
    assert_eq!(judge(history), expect, "{history:#?}");
}

#[test]
fn a_sound_history_is_sound() {
    check(&[], &[]);
    check(
        &[
            sent(1, &[put(0, 0, 10), put(0, 1, 11)]),
            // A marker lies at 3, what was aborted at 4.
            steps(2, Kind::Ok, ALL, &[got(0, &[(0, 10)]), put(0, 2, 20), put(1, 0, 21)]),
            steps(2, Kind::Fail, ALL, &[put(0, 4, 22)]),
            // Nobody knows: once it is there, once it is not.
            steps(3, Kind::Info, ALL, &[put(0, 6, 30)]),
            steps(4, Kind::Info, ALL, &[Step::Send { key: 0, value: 31, offset: None }]),
            steps(5, Kind::Invoke, Function::Send, &[put(0, 9, 32)]),
            polled(6, &[got(0, &[(0, 10), (1, 11)]), got(0, &[(2, 20), (6, 30)])]),
            // Who begins again somewhere else may be handed anything.
            assigned(6),
            polled(6, &[got(0, &[(1, 11)]), got(1, &[(0, 21)])]),
            polled(7, &[got(0, &[(0, 10), (1, 11), (2, 20), (6, 30)])]),
        ],
        &[],
    );
}

#[test]
fn a_lost_write_is_found() {
    let history = [sent(1, &[put(0, 0, 1), put(0, 1, 2)]), polled(2, &[got(0, &[(1, 2)])])];
    check(&history, &[Anomaly::LostWrite { key: 0, value: 1 }]);
}

#[test]
fn a_lost_end_is_found() {
    let history = [sent(1, &[put(0, 0, 1), put(0, 1, 2)]), polled(2, &[got(0, &[(0, 1)])])];
    check(&history, &[Anomaly::Unseen { key: 0, value: 2 }]);
}

#[test]
fn a_duplicate_is_found() {
    let history = [sent(1, &[put(0, 0, 1)]), polled(2, &[got(0, &[(0, 1), (1, 1)])])];
    check(&history, &[Anomaly::Duplicate { key: 0, value: 1, offsets: (0, 1) }]);
}

#[test]
fn inconsistent_offsets_are_found() {
    let history = [
        sent(1, &[put(0, 0, 1)]),
        steps(2, Kind::Info, Function::Send, &[Step::Send { key: 0, value: 2, offset: None }]),
        polled(3, &[got(0, &[(0, 2)])]),
    ];
    check(
        &history,
        &[
            Anomaly::LostWrite { key: 0, value: 1 },
            Anomaly::InconsistentOffsets { key: 0, offset: 0, values: (1, 2) },
        ],
    );
}

#[test]
fn an_aborted_read_is_found() {
    let history = [steps(1, Kind::Fail, ALL, &[put(0, 0, 1)]), polled(2, &[got(0, &[(0, 1)])])];
    check(&history, &[Anomaly::AbortedRead { key: 0, value: 1 }]);
}

#[test]
fn a_precommitted_read_is_found() {
    let history = [steps(1, Kind::Ok, ALL, &[put(0, 0, 1), got(0, &[(0, 1)])])];
    check(&history, &[Anomaly::PrecommittedRead { index: 0, value: 1 }]);
}

#[test]
fn a_phantom_is_found() {
    check(&[polled(1, &[got(0, &[(0, 1)])])], &[Anomaly::Phantom { key: 0, value: 1 }]);
    // Sent elsewhere.
    let history = [sent(1, &[put(0, 0, 1)]), polled(1, &[got(0, &[(0, 1)]), got(1, &[(0, 1)])])];
    check(&history, &[Anomaly::Phantom { key: 1, value: 1 }]);
}

#[test]
fn polls_that_go_back_are_found() {
    let all = sent(1, &[put(0, 0, 1), put(0, 1, 2)]);
    let history =
        [all.clone(), polled(2, &[got(0, &[(0, 1), (1, 2)])]), polled(2, &[got(0, &[(1, 2)])])];
    check(&history, &[Anomaly::NonmonotonicPoll { key: 0, index: 2, offsets: (1, 1) }]);
    let history = [all, polled(2, &[got(0, &[(0, 1), (1, 2)]), got(0, &[(0, 1)])])];
    check(&history, &[Anomaly::IntNonmonotonicPoll { key: 0, index: 1, offsets: (1, 0) }]);
}

#[test]
fn polls_that_skip_are_found() {
    let all = sent(1, &[put(0, 0, 1), put(0, 1, 2), put(0, 2, 3)]);
    let whole = polled(3, &[got(0, &[(0, 1), (1, 2), (2, 3)])]);
    let history = [
        all.clone(),
        polled(2, &[got(0, &[(0, 1)])]),
        polled(2, &[got(0, &[(2, 3)])]),
        whole.clone(),
    ];
    check(&history, &[Anomaly::PollSkip { key: 0, index: 2, offsets: (0, 2) }]);
    let history = [all, polled(2, &[got(0, &[(0, 1), (2, 3)])]), whole];
    check(&history, &[Anomaly::IntPollSkip { key: 0, index: 1, offsets: (0, 2) }]);
}

#[test]
fn sends_out_of_order_are_found() {
    let whole = polled(3, &[got(0, &[(0, 2), (1, 1)])]);
    let history = [sent(1, &[put(0, 1, 1)]), sent(1, &[put(0, 0, 2)]), whole.clone()];
    check(&history, &[Anomaly::NonmonotonicSend { key: 0, index: 1, offsets: (1, 0) }]);
    let history = [sent(1, &[put(0, 1, 1), put(0, 0, 2)]), whole];
    check(&history, &[Anomaly::IntNonmonotonicSend { key: 0, index: 0, offsets: (1, 0) }]);
}

#[test]
fn a_torn_transaction_is_found() {
    let unsure = Step::Send { key: 1, value: 2, offset: None };
    let history =
        [steps(1, Kind::Info, ALL, &[put(0, 0, 1), unsure]), polled(2, &[got(0, &[(0, 1)])])];
    check(&history, &[Anomaly::Torn { index: 0, seen: 1, sent: 2 }]);
}

#[test]
fn a_circle_is_found() {
    let history = [
        steps(1, Kind::Ok, ALL, &[got(1, &[(0, 2)]), put(0, 0, 1)]),
        steps(2, Kind::Ok, ALL, &[got(0, &[(0, 1)]), put(1, 0, 2)]),
    ];
    check(&history, &[Anomaly::Circle { indices: vec![0, 1] }]);
}
