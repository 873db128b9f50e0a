//! One partition of `__transaction_state`: its transactional ids, and what time does to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::record;
use super::request::{Answer, Ask, Description, Effect, Ending, Filter, Listed, Request};
use super::rules::{self, Step};
use super::state::State;
use super::transaction::Transaction;
use crate::base::time::Instant;
use crate::config::limits::{
    TRANSACTIONAL_IDS_EXPIRED_AT_ONCE, TRANSACTIONAL_IDS_PER_PARTITION_MAX,
};
use crate::coordinator::outcome::{Call, Entry, Machine, Now, Outcome, Rules, Seed, batch_bytes};
use crate::model::error_code::ErrorCode;

type Decided = Outcome<Answer, Effect>;

/// The machine.
pub struct TxnMachine {
    obeyed: Rules,
    table: BTreeMap<String, Transaction>,
    /// When the transactions under way run out of time.
    deadlines: BTreeSet<(Instant, String)>,
    deadline_of: BTreeMap<String, Instant>,
    /// Not before.
    abort_from: Instant,
    expire_from: Instant,
}

impl TxnMachine {
    /// `transactional.id.expiration.ms` and how often it is looked at.
    fn expiry_interval(&self) -> Duration {
        milliseconds(self.obeyed.config.transaction_remove_expired_interval_ms.into())
    }

    pub fn get(&self, transactional_id: &str) -> Option<&Transaction> {
        self.table.get(transactional_id)
    }

    /// In the order of the ids.
    pub fn list(&self, filter: &Filter, now_ms: i64) -> Vec<Listed> {
        let any = |empty: bool, found: bool| empty || found;
        let shown = |transaction: &Transaction| {
            let states = &filter.states;
            let ids = &filter.producer_ids;
            any(states.is_empty(), states.contains(&transaction.state))
                && any(ids.is_empty(), ids.contains(&transaction.producer.id))
                && any(
                    filter.longer_than_ms < 0,
                    now_ms.saturating_sub(transaction.started_ms) > filter.longer_than_ms,
                )
        };
        let line = |(id, transaction): (&String, &Transaction)| Listed {
            transactional_id: id.clone(),
            producer_id: transaction.producer.id,
            state: transaction.state,
        };
        self.table.iter().filter(|(_, transaction)| shown(transaction)).map(line).collect()
    }

    /// Puts the value in its place and watches its time.
    fn set(&mut self, id: &str, transaction: Transaction, now: Now) {
        if let Some(at) = self.deadline_of.remove(id) {
            self.deadlines.remove(&(at, id.to_owned()));
        }
        if transaction.state == State::Ongoing {
            let end_ms = transaction.started_ms.saturating_add(transaction.timeout_ms.into());
            let left = u64::try_from(end_ms.saturating_sub(now.unix_ms)).unwrap_or(0);
            // Kafka's time is up when more than the time-out has passed.
            let at = now.at + Duration::from_millis(left.saturating_add(1));
            self.deadlines.insert((at, id.to_owned()));
            self.deadline_of.insert(id.to_owned(), at);
        }
        self.table.insert(id.to_owned(), transaction);
    }

    fn remove(&mut self, id: &str) {
        if let Some(at) = self.deadline_of.remove(id) {
            self.deadlines.remove(&(at, id.to_owned()));
        }
        self.table.remove(id);
    }

    /// Carries a step out; says what is to be answered.
    fn take(&mut self, id: &str, step: Step, now: Now, decided: &mut Decided) -> Answer {
        let (next, answer) = match step {
            Step::Answer(answer) => return answer,
            Step::Next(next, answer) => (*next, answer),
        };
        let room = self.table.len() < TRANSACTIONAL_IDS_PER_PARTITION_MAX;
        if !room && !self.table.contains_key(id) {
            return Answer::Refused(ErrorCode::POLICY_VIOLATION);
        }
        let record = record::encode(id, &next);
        if batch_bytes([&record]) > self.record_bytes_max() {
            // Kafka: what the log of transactions refuses for its size.
            return Answer::Refused(ErrorCode::UNKNOWN_SERVER_ERROR);
        }
        decided.records.push(record);
        decided.effects.extend(ending(id, &next));
        self.set(id, next, now);
        answer
    }

    /// Half of a batch, so that another one still fits behind what fills half of it.
    fn record_bytes_max(&self) -> usize {
        self.obeyed.batch_bytes_max / 2
    }

    fn expire(&mut self, id: &str, spare_id: Option<i64>, now: Now, decided: &mut Decided) {
        let Some(present) = self.table.get(id).filter(|t| t.state == State::Ongoing) else {
            return;
        };
        match rules::abort_by_force(present, spare_id, now.unix_ms) {
            Some(next) => {
                self.take(id, Step::Next(Box::new(next), Answer::Done), now, decided);
            }
            None => decided.effects.push(Effect::WantsId {
                transactional_id: id.to_owned(),
                producer: present.producer,
            }),
        }
    }

    fn describe(&self, id: &str) -> Answer {
        let Some(transaction) = self.table.get(id) else {
            return Answer::Refused(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND);
        };
        Answer::Described(Box::new(Description {
            state: transaction.state,
            producer: transaction.producer,
            timeout_ms: transaction.timeout_ms,
            started_ms: transaction.started_ms,
            partitions: transaction.partitions.clone(),
        }))
    }
}

/// The markers that are to be written for a transaction in this state.
fn ending(id: &str, transaction: &Transaction) -> Option<Effect> {
    transaction.state.is_ending().then(|| {
        Effect::Mark(Box::new(Ending {
            transactional_id: id.to_owned(),
            producer: transaction.producer,
            commit: transaction.state == State::PrepareCommit,
            level: transaction.level,
            partitions: transaction.partitions.clone(),
        }))
    })
}

impl Machine for TxnMachine {
    type Request = Request;
    type Answer = Answer;
    type Effect = Effect;

    fn new(seed: Seed) -> TxnMachine {
        TxnMachine {
            obeyed: seed.rules,
            table: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            deadline_of: BTreeMap::new(),
            abort_from: Instant::default(),
            expire_from: Instant::default(),
        }
    }

    fn obey(&mut self, rules: Rules) {
        self.obeyed = rules;
    }

    fn only_reads(request: &Request) -> bool {
        match request {
            Request::List(_) => true,
            Request::Of { ask, .. } => matches!(ask, Ask::Verify { .. } | Ask::Describe),
        }
    }

    fn apply(&mut self, entry: Entry<'_>, now: Now) {
        let Entry::Record { key, value, .. } = entry else { return };
        match record::decode(key, value) {
            Some((id, Some(transaction))) => self.set(&id, transaction, now),
            Some((id, None)) => self.remove(&id),
            // Of a later version: nothing that is known here changes.
            None => {}
        }
    }

    /// What was decided before is carried on: its markers are written, again if need be.
    fn loaded(&mut self, now: Now) -> Decided {
        self.abort_from = now.at;
        self.expire_from = now.at + self.expiry_interval();
        let effects = self.table.iter().filter_map(|(id, transaction)| ending(id, transaction));
        Outcome { effects: effects.collect(), ..Outcome::default() }
    }

    fn decide(&mut self, call: Call, request: Request, now: Now) -> Decided {
        let (id, ask) = match request {
            Request::Of { transactional_id, ask } => (transactional_id, ask),
            Request::List(filter) => {
                let listed = self.list(&filter, now.unix_ms);
                return Outcome::answer(call, Answer::Listed(listed));
            }
        };
        let mut decided = Outcome::default();
        let present = self.table.get(&id);
        let now_ms = now.unix_ms;
        let is_marked = matches!(ask, Ask::Marked { .. });
        let step = match ask {
            Ask::Init { timeout_ms, expected, spare_id } => {
                rules::init(present, timeout_ms, expected, spare_id, now_ms)
            }
            Ask::Add { producer, partitions, level } => {
                rules::add(present, producer, partitions, level, now_ms)
            }
            Ask::Verify { producer, partitions } => {
                Step::Answer(rules::verify(present, producer, partitions))
            }
            Ask::End { producer, commit, level, spare_id } => {
                rules::end(present, producer, commit, level, spare_id, now_ms)
            }
            Ask::Describe => Step::Answer(self.describe(&id)),
            Ask::Marked { producer } => match present {
                Some(present) if present.state.is_ending() && present.producer == producer => {
                    Step::Next(Box::new(present.complete(now_ms)), Answer::Done)
                }
                // Said before.
                _ => Step::Answer(Answer::Done),
            },
            Ask::Expire { producer, spare_id } => {
                if present.is_some_and(|present| present.producer == producer) {
                    self.expire(&id, Some(spare_id), now, &mut decided);
                }
                Step::Answer(Answer::Done)
            }
        };
        let answer = self.take(&id, step, now, &mut decided);
        if is_marked {
            decided.effects.push(Effect::Marked { transactional_id: id });
        }
        decided.answers.push((call, answer));
        decided
    }

    fn wake_at(&self) -> Option<Instant> {
        let abort = self.deadlines.first().map(|(at, _)| (*at).max(self.abort_from));
        let expire = (!self.table.is_empty()).then_some(self.expire_from);
        abort.into_iter().chain(expire).min()
    }

    fn elapse(&mut self, now: Now) -> Decided {
        let mut decided = Outcome::default();
        if now.at >= self.abort_from {
            let due = self.deadlines.iter().take_while(|(at, _)| *at <= now.at);
            let due: Vec<String> = due.map(|(_, id)| id.clone()).collect();
            if !due.is_empty() {
                let interval = self.obeyed.config.transaction_abort_timed_out_interval_ms;
                self.abort_from = now.at + milliseconds(interval.into());
            }
            for id in due {
                if batch_bytes(&decided.records) > self.record_bytes_max() {
                    // The others with the next batch, at once.
                    self.abort_from = now.at;
                    break;
                }
                self.expire(&id, None, now, &mut decided);
            }
        }
        if now.at >= self.expire_from {
            self.expire_from = now.at + self.expiry_interval();
            let silent_ms = i64::from(self.obeyed.config.transactional_id_expiration_ms);
            let last = now.unix_ms.saturating_sub(silent_ms);
            let expired = self.table.iter().filter(|(_, transaction)| {
                transaction.state.is_idle() && transaction.updated_ms <= last
            });
            let at_once = expired.take(TRANSACTIONAL_IDS_EXPIRED_AT_ONCE + 1);
            let expired: Vec<String> = at_once.map(|(id, _)| id.clone()).collect();
            if expired.len() > TRANSACTIONAL_IDS_EXPIRED_AT_ONCE {
                self.expire_from = now.at;
            }
            for id in expired.iter().take(TRANSACTIONAL_IDS_EXPIRED_AT_ONCE) {
                let tombstone = record::tombstone(id);
                let with = decided.records.iter().chain([&tombstone]);
                if batch_bytes(with) > self.obeyed.batch_bytes_max {
                    self.expire_from = now.at;
                    break;
                }
                decided.records.push(tombstone);
                self.remove(id);
            }
        }
        decided
    }
}

fn milliseconds(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}
