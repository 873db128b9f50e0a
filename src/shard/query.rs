//! Questions that a partition's owner answers: what a handler asks of partitions wherever they
//! live. One pair of enums, so that a local and a forwarded question take the same way.

use crate::base::buf::Buf;
use crate::log::producers::{Claim, Guard};
use crate::model::error_code::ErrorCode;
use crate::model::ids::{PartitionId, TopicId};

pub struct Query {
    pub topic: TopicId,
    pub partition: PartitionId,
    /// The leader epoch the client believes in, −1 when it does not say.
    pub leader_epoch: i32,
    pub ask: Ask,
}

pub enum Ask {
    Read(Read),
    /// The offset of a timestamp, or of one of the protocol's special ones (−1, −2, −3, −4 ...).
    OffsetAt {
        timestamp_ms: i64,
        committed_only: bool,
    },
    /// The end of the log at a leader epoch.
    EpochEnd {
        epoch: i32,
    },
    /// Moves the log's start to an offset (−1: the high watermark).
    DeleteBefore {
        offset: i64,
    },
    /// Bytes on disk, and where.
    Size,
    /// Moves the partition to another data directory, by its place; answered at once.
    Move {
        directory: usize,
    },
    /// Before a batch of a transaction is appended: whether its coordinator has to be asked.
    /// `raises_epoch`: the producer has a new epoch for each transaction.
    Vouch {
        claim: Claim,
        raises_epoch: bool,
    },
    /// Who writes here.
    Producers,
}

/// A producer of a partition, as its log knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerSeen {
    pub producer_id: i64,
    pub epoch: i16,
    /// -1: none, or none since the epoch began.
    pub last_sequence: i32,
    pub last_timestamp: i64,
    pub coordinator_epoch: i32,
    /// -1: no transaction is under way here.
    pub txn_first_offset: i64,
}

#[derive(Clone, Copy, Debug)]
pub struct Read {
    pub offset: i64,
    pub bytes_max: usize,
    /// One batch is served even when it is larger than `bytes_max`.
    pub at_least_one: bool,
    pub committed_only: bool,
    /// The epoch of the last record the reader has, −1 when it does not say.
    pub last_fetched_epoch: i32,
}

#[derive(Default)]
pub struct Answer {
    pub error: ErrorCode,
    pub told: Told,
}

#[derive(Default)]
pub enum Told {
    #[default]
    Nothing,
    Read(Box<ReadAnswer>),
    Offset {
        offset: i64,
        timestamp_ms: i64,
        leader_epoch: i32,
    },
    EpochEnd {
        leader_epoch: i32,
        end_offset: i64,
    },
    Start(i64),
    Size(Sizes),
    /// What the batch has to come with; nothing when its transaction is under way here.
    Vouched(Option<Guard>),
    Producers(Vec<ProducerSeen>),
}

/// What a partition takes on the disks of its host; directories by their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    pub directory: usize,
    pub bytes: u64,
    /// Of the copy in the making, when it moves.
    pub future: Option<Future>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Future {
    pub directory: usize,
    pub bytes: u64,
    /// Records that it does not have yet.
    pub lag: i64,
}

#[derive(Default)]
pub struct ReadAnswer {
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    /// The records when they come from another core; a core's own stay where they lie and are
    /// handed out beside this answer.
    pub copied: Option<Buf>,
    /// Aborted transactions in the range: producer id and first offset.
    pub aborted: Vec<(i64, i64)>,
    /// Where the reader's log parts from ours: epoch and its end.
    pub diverging: Option<(i32, i64)>,
    /// The partition's present leader epoch.
    pub leader_epoch: i32,
}

impl Answer {
    pub fn error(error: ErrorCode) -> Answer {
        Answer { error, told: Told::Nothing }
    }

    pub fn told(told: Told) -> Answer {
        Answer { error: ErrorCode::NONE, told }
    }
}
