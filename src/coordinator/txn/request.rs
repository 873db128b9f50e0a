//! What a transaction coordinator is asked, what it answers, and what it wants done.

use super::state::State;
use super::transaction::{Level, Partitions, Producer};
use crate::model::error_code::ErrorCode;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Of {
        transactional_id: String,
        ask: Ask,
    },
    /// The ids of the whole partition.
    List(Filter),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A producer begins. `timeout_ms` was checked by the one who asks.
    Init {
        timeout_ms: i32,
        expected: Option<Producer>,
        spare_id: Option<i64>,
    },
    /// Partitions become part of the transaction, which begins if there is none.
    Add {
        producer: Producer,
        partitions: Partitions,
        level: Level,
    },
    /// Whether partitions are part of the transaction that is under way.
    Verify {
        producer: Producer,
        partitions: Partitions,
    },
    /// Commit or abort. `spare_id` is used up when the producer's epochs are.
    End {
        producer: Producer,
        commit: bool,
        level: Level,
        spare_id: Option<i64>,
    },
    Describe,
    /// From the one who wrote the markers of this producer's transaction: all of them are safe.
    Marked {
        producer: Producer,
    },
    /// From the one who got an id for a transaction that ran out of time: see
    /// [`Effect::WantsId`].
    Expire {
        producer: Producer,
        spare_id: i64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Refused(ErrorCode),
    /// Ask again with a fresh producer id: this step uses one up.
    WantsId,
    /// Init, or End at level 2: what the producer goes on with.
    Producer(Producer),
    Done,
    /// Those of the partitions that are not part of the transaction.
    Verified {
        missing: Partitions,
    },
    Described(Box<Description>),
    Listed(Vec<Listed>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    pub state: State,
    pub producer: Producer,
    pub timeout_ms: i32,
    pub started_ms: i64,
    pub partitions: Partitions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write the markers, again and again until all are safe, then say [`Ask::Marked`].
    Mark(Box<Ending>),
    /// [`Ask::Marked`] was heard and is safe: whoever wrote the markers is done. Told in the order of the
    /// log, so that the next transaction's end, which may be safe at the same moment, finds nobody at work.
    Marked { transactional_id: String },
    /// A transaction ran out of time and its producer out of epochs: get a producer id and say
    /// [`Ask::Expire`].
    WantsId { transactional_id: String, producer: Producer },
}

/// A transaction whose outcome is decided and safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    pub transactional_id: String,
    pub producer: Producer,
    pub commit: bool,
    pub level: Level,
    pub partitions: Partitions,
}

/// Which transactions are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any when empty.
    pub states: Vec<State>,
    pub producer_ids: Vec<i64>,
    /// Those that have lasted longer; every one when negative.
    pub longer_than_ms: i64,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub transactional_id: String,
    pub producer_id: i64,
    pub state: State,
}
