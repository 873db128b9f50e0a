//! What each request makes of a transaction (Kafka: TransactionCoordinator, version 4.4). Pure: from
//! the present value comes the next one, or a refusal.

use super::request::Answer;
use super::state::State;
use super::transaction::{Level, Partitions, Producer, Transaction, is_exhausted};
use crate::model::error_code::ErrorCode;

/// What is to happen.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing changes.
    Answer(Answer),
    /// This is written, and then the answer leaves.
    Next(Box<Transaction>, Answer),
}

fn refuse(error: ErrorCode) -> Step {
    Step::Answer(Answer::Refused(error))
}

/// InitProducerId.
pub fn init(
    present: Option<&Transaction>,
    timeout_ms: i32,
    expected: Option<Producer>,
    spare_id: Option<i64>,
    now_ms: i64,
) -> Step {
    let Some(present) = present else {
        let Some(id) = spare_id else { return Step::Answer(Answer::WantsId) };
        let new = Transaction::new(id, timeout_ms, now_ms);
        return raised(&new, timeout_ms, expected, now_ms);
    };
    if expected.is_some_and(|expected| !knows(present, expected)) {
        return refuse(ErrorCode::PRODUCER_FENCED);
    }
    match present.state {
        State::PrepareCommit | State::PrepareAbort => refuse(ErrorCode::CONCURRENT_TRANSACTIONS),
        State::Ongoing => {
            let next = abort_by_force(present, spare_id, now_ms);
            let retry = Answer::Refused(ErrorCode::CONCURRENT_TRANSACTIONS);
            next.map_or(Step::Answer(Answer::WantsId), |next| Step::Next(Box::new(next), retry))
        }
        State::Empty | State::CompleteCommit | State::CompleteAbort => {
            let is_present = |expected: Producer| expected.epoch == present.producer.epoch;
            if present.is_exhausted() && expected.is_none_or(is_present) {
                let Some(id) = spare_id else { return Step::Answer(Answer::WantsId) };
                let next = present.rotate(id, timeout_ms, expected.is_some(), now_ms);
                let answer = Answer::Producer(next.producer);
                return Step::Next(Box::new(next), answer);
            }
            raised(present, timeout_ms, expected, now_ms)
        }
        State::Dead | State::PrepareEpochFence => refuse(ErrorCode::UNKNOWN_SERVER_ERROR),
    }
}

fn raised(present: &Transaction, timeout_ms: i32, expected: Option<Producer>, now_ms: i64) -> Step {
    match present.raise(timeout_ms, expected.map(|producer| producer.epoch), now_ms) {
        Some(next) => {
            let answer = Answer::Producer(next.producer);
            Step::Next(Box::new(next), answer)
        }
        None => refuse(ErrorCode::PRODUCER_FENCED),
    }
}

/// A producer may say the present id, or the one before if that was used up (KIP-360).
fn knows(present: &Transaction, said: Producer) -> bool {
    said.id == present.producer.id
        || (said.id == present.previous_producer_id && is_exhausted(said.epoch))
}

/// The abort of a transaction whose producer did not ask for it: a newer one begins, or its time is
/// up. The raised epoch fences the old one. `None`: this needs a fresh producer id.
pub fn abort_by_force(
    present: &Transaction,
    spare_id: Option<i64>,
    now_ms: i64,
) -> Option<Transaction> {
    let next_id = if present.is_exhausted() { spare_id? } else { super::transaction::NONE };
    Some(present.end(false, Level::Two, next_id, now_ms))
}

/// AddPartitionsToTxn and AddOffsetsToTxn.
pub fn add(
    present: Option<&Transaction>,
    producer: Producer,
    partitions: Partitions,
    level: Level,
    now_ms: i64,
) -> Step {
    let present = match known(present, producer) {
        Ok(present) => present,
        Err(error) => return refuse(error),
    };
    if present.state.is_ending() {
        return refuse(ErrorCode::CONCURRENT_TRANSACTIONS);
    }
    let mut wanted = partitions.iter().flat_map(|(topic, n)| n.iter().map(move |n| (topic, *n)));
    if present.state == State::Ongoing && wanted.all(|(topic, n)| present.holds(topic, n)) {
        return Step::Answer(Answer::Done);
    }
    Step::Next(Box::new(present.add(partitions, level, now_ms)), Answer::Done)
}

/// AddPartitionsToTxn that only asks (KIP-890).
pub fn verify(present: Option<&Transaction>, producer: Producer, partitions: Partitions) -> Answer {
    let present = match known(present, producer) {
        Ok(present) => present,
        Err(error) => return Answer::Refused(error),
    };
    if present.state.is_ending() {
        return Answer::Refused(ErrorCode::CONCURRENT_TRANSACTIONS);
    }
    let mut missing = partitions;
    missing.retain(|topic, numbers| {
        numbers.retain(|&number| !present.holds(topic, number));
        !numbers.is_empty()
    });
    Answer::Verified { missing }
}

fn known(present: Option<&Transaction>, said: Producer) -> Result<&Transaction, ErrorCode> {
    match present {
        Some(present) if present.producer.id == said.id => {
            if present.producer.epoch == said.epoch {
                Ok(present)
            } else {
                Err(ErrorCode::PRODUCER_FENCED)
            }
        }
        _ => Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING),
    }
}

/// EndTxn.
pub fn end(
    present: Option<&Transaction>,
    said: Producer,
    commit: bool,
    level: Level,
    spare_id: Option<i64>,
    now_ms: i64,
) -> Step {
    let Some(present) = present else {
        return refuse(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    };
    match level {
        Level::Zero => end_keeping_epoch(present, said, commit, now_ms),
        Level::Two => end_raising_epoch(present, said, commit, spare_id, now_ms),
    }
}

fn end_keeping_epoch(present: &Transaction, said: Producer, commit: bool, now_ms: i64) -> Step {
    if let Err(error) = known(Some(present), said) {
        return refuse(error);
    }
    match (present.state, commit) {
        (State::Ongoing, _) => {
            let next = present.end(commit, Level::Zero, super::transaction::NONE, now_ms);
            Step::Next(Box::new(next), Answer::Done)
        }
        (State::CompleteCommit, true) | (State::CompleteAbort, false) => Step::Answer(Answer::Done),
        (State::PrepareCommit, true) | (State::PrepareAbort, false) => {
            refuse(ErrorCode::CONCURRENT_TRANSACTIONS)
        }
        _ => refuse(ErrorCode::INVALID_TXN_STATE),
    }
}

/// The epoch was raised when the outcome was decided, so a repeated request shows in its epoch: it
/// is one behind, or, where an id was used up, the last one of the id before.
fn end_raising_epoch(
    present: &Transaction,
    said: Producer,
    commit: bool,
    spare_id: Option<i64>,
    now_ms: i64,
) -> Step {
    let rotated = present.previous_producer_id == said.id
        && said.epoch == i16::MAX - 1
        && present.producer.epoch == 0;
    let raised = i32::from(present.producer.epoch) == i32::from(said.epoch) + 1;
    let same = said == present.after();
    let is_valid = match present.state {
        State::PrepareCommit | State::PrepareAbort => raised || same,
        State::CompleteCommit | State::CompleteAbort => raised || rotated || same,
        _ => same,
    };
    if present.producer.id != said.id && !rotated && !same {
        return refuse(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    }
    if !is_valid {
        return refuse(ErrorCode::PRODUCER_FENCED);
    }
    let repeated = raised || rotated;
    match (present.state, commit) {
        (State::Ongoing, _) => {}
        (State::CompleteCommit, true) | (State::CompleteAbort, false) if repeated => {
            return Step::Answer(Answer::Producer(present.producer));
        }
        // Nothing was written in it, and the client aborts all the same.
        (State::Empty, false) => {}
        (State::CompleteCommit | State::CompleteAbort, false) if !repeated => {}
        (State::PrepareCommit, true) | (State::PrepareAbort, false) => {
            return refuse(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        // It is told of its new epoch while the last transaction is being ended, and ends the next
        // one, in which nothing was written, before that is done. Kafka fences it then.
        (State::PrepareCommit | State::PrepareAbort, _) if same => {
            return refuse(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        _ => return refuse(ErrorCode::INVALID_TXN_STATE),
    }
    let next_id = match (present.is_exhausted(), spare_id) {
        (false, _) => super::transaction::NONE,
        (true, Some(id)) => id,
        (true, None) => return Step::Answer(Answer::WantsId),
    };
    let next = present.end(commit, Level::Two, next_id, now_ms);
    let answer = Answer::Producer(next.after());
    Step::Next(Box::new(next), answer)
}
