//! What is known of one transactional id, and how it changes. Each change makes the next value from
//! this one, as Kafka's TransactionMetadata does; nothing here looks at a clock or writes.

use std::collections::{BTreeMap, BTreeSet};

use super::state::State;

/// "No producer", "no epoch", "not begun".
pub const NONE: i64 = -1;
pub const NO_EPOCH: i16 = -1;

/// An epoch from here on cannot be raised for the next transaction: the producer gets a new id.
const EPOCH_LAST: i16 = i16::MAX - 1;

/// The partitions of a transaction, by topic name as in Kafka's records.
pub type Partitions = BTreeMap<String, BTreeSet<i32>>;

/// The level of `transaction.version` that a client's request speaks (KIP-890).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The client adds partitions before it writes, and keeps its epoch.
    Zero,
    /// Partitions are added as they are written to, and each transaction raises the epoch.
    Two,
}

impl Level {
    pub fn number(self) -> i16 {
        match self {
            Level::Zero => 0,
            Level::Two => 2,
        }
    }

    /// Kafka's 1 differs from 0 in the form of records alone.
    pub fn of_number(number: i16) -> Level {
        if number >= 2 { Level::Two } else { Level::Zero }
    }
}

/// An id and its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    pub id: i64,
    pub epoch: i16,
}

impl Producer {
    pub const NONE: Producer = Producer { id: NONE, epoch: NO_EPOCH };
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub producer: Producer,
    /// The id of the state before: a producer whose id was replaced may say its old one again.
    pub previous_producer_id: i64,
    /// Takes the place of the producer's id when the transaction is complete; -1 if it stays.
    pub next_producer_id: i64,
    /// The epoch before, by which a repeated request is known; -1 if there is none. Not written
    /// down: after a restart no request is a repetition.
    pub last_epoch: i16,
    pub timeout_ms: i32,
    pub state: State,
    pub partitions: Partitions,
    /// Unix ms; -1 before the first transaction.
    pub started_ms: i64,
    pub updated_ms: i64,
    pub level: Level,
}

pub fn is_exhausted(epoch: i16) -> bool {
    epoch >= EPOCH_LAST
}

impl Transaction {
    /// An id that nobody has used: its first epoch comes with [`Transaction::raise`].
    pub fn new(producer_id: i64, timeout_ms: i32, now_ms: i64) -> Transaction {
        Transaction {
            producer: Producer { id: producer_id, epoch: NO_EPOCH },
            previous_producer_id: NONE,
            next_producer_id: NONE,
            last_epoch: NO_EPOCH,
            timeout_ms,
            state: State::Empty,
            partitions: Partitions::new(),
            started_ms: NONE,
            updated_ms: now_ms,
            level: Level::Zero,
        }
    }

    pub fn is_exhausted(&self) -> bool {
        is_exhausted(self.producer.epoch)
    }

    fn to(&self, state: State, now_ms: i64) -> Transaction {
        Transaction {
            previous_producer_id: self.producer.id,
            state,
            updated_ms: now_ms,
            ..self.clone()
        }
    }

    fn emptied(&self, timeout_ms: i32, now_ms: i64) -> Transaction {
        Transaction {
            timeout_ms,
            partitions: Partitions::new(),
            started_ms: NONE,
            ..self.to(State::Empty, now_ms)
        }
    }

    /// The producer begins anew with the next epoch. `expected` is the epoch it says it has
    /// (KIP-360): `None` when that is neither the present one nor the one before.
    pub fn raise(
        &self,
        timeout_ms: i32,
        expected: Option<i16>,
        now_ms: i64,
    ) -> Option<Transaction> {
        let present = self.producer.epoch;
        let raised = present.saturating_add(1);
        let (epoch, last_epoch) = match expected {
            None => (raised, NO_EPOCH),
            Some(expected) if present == NO_EPOCH || expected == present => (raised, present),
            // The answer was lost, and the producer asks again.
            Some(expected) if expected == self.last_epoch => (present, self.last_epoch),
            Some(_) => return None,
        };
        let mut next = self.emptied(timeout_ms, now_ms);
        next.producer.epoch = epoch;
        next.last_epoch = last_epoch;
        Some(next)
    }

    /// The producer begins anew under another id, because its epochs are used up.
    pub fn rotate(
        &self,
        producer_id: i64,
        timeout_ms: i32,
        keeps_last: bool,
        now_ms: i64,
    ) -> Transaction {
        let mut next = self.emptied(timeout_ms, now_ms);
        next.producer = Producer { id: producer_id, epoch: 0 };
        next.last_epoch = if keeps_last { self.producer.epoch } else { NO_EPOCH };
        next
    }

    pub fn add(&self, partitions: Partitions, level: Level, now_ms: i64) -> Transaction {
        let mut next = self.to(State::Ongoing, now_ms);
        for (topic, numbers) in partitions {
            next.partitions.entry(topic).or_default().extend(numbers);
        }
        if self.state != State::Ongoing {
            next.started_ms = now_ms;
        }
        next.level = level;
        next
    }

    pub fn holds(&self, topic: &str, partition: i32) -> bool {
        self.partitions.get(topic).is_some_and(|numbers| numbers.contains(&partition))
    }

    /// The outcome is decided. At level 2 the epoch is raised, so that nothing which the producer
    /// sent before can follow the marker; `next_producer_id` takes over when that used up the last
    /// epoch (-1 if not).
    pub fn end(
        &self,
        commit: bool,
        level: Level,
        next_producer_id: i64,
        now_ms: i64,
    ) -> Transaction {
        let state = if commit { State::PrepareCommit } else { State::PrepareAbort };
        let mut next = self.to(state, now_ms);
        if level >= Level::Two && !crate::base::planted::is("epoch-not-raised") {
            next.producer.epoch = self.producer.epoch.saturating_add(1);
            next.last_epoch = self.producer.epoch;
        }
        if self.state != State::Ongoing {
            next.started_ms = now_ms;
        }
        next.next_producer_id = next_producer_id;
        next.level = level;
        next
    }

    /// Every marker is written.
    pub fn complete(&self, now_ms: i64) -> Transaction {
        let state = match self.state {
            State::PrepareCommit => State::CompleteCommit,
            _ => State::CompleteAbort,
        };
        let mut next = self.to(state, now_ms);
        next.partitions.clear();
        next.producer = self.after();
        next.next_producer_id = NONE;
        next
    }

    /// Id and epoch of the next transaction, when this one is being ended.
    pub fn after(&self) -> Producer {
        if self.level >= Level::Two && self.next_producer_id != NONE {
            Producer { id: self.next_producer_id, epoch: 0 }
        } else {
            self.producer
        }
    }
}
