//! What a machine decides: records to write, answers to give when they are safe, work to be done
//! elsewhere after that.

use std::rc::Rc;

use super::view::View;
use crate::base::prng::Prng;
use crate::base::time::Instant;
use crate::config::BrokerConfig;
use crate::model::PartitionId;

/// Both clocks: sessions and time-outs go by the one that does not jump, records carry the other.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub at: Instant,
    pub unix_ms: i64,
}

/// One request that waits for its answer; the runtime knows who asked. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call(pub u64);

/// One record of an internal topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub key: Vec<u8>,
    /// `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// The transactional producer in whose name records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    pub producer_id: i64,
    pub epoch: i16,
}

/// One thing that the log tells, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    Record {
        key: &'a [u8],
        /// `None` is a tombstone.
        value: Option<&'a [u8]>,
        /// Set: it counts when the writer's transaction is committed.
        writer: Option<Writer>,
    },
    /// The writer's transaction has ended.
    Marker { writer: Writer, commit: bool },
}

/// What came of one request, or of time passing. The records are written as one batch, all or
/// nothing; answers and effects leave when everything that was written up to then is safe, so that
/// nobody is told of what a crash could take back.
#[derive(Debug)]
pub struct Outcome<A, E> {
    pub records: Vec<Record>,
    /// The records are part of this producer's transaction.
    pub writer: Option<Writer>,
    /// To this call, or to others that waited (a join is answered when the last member joins).
    pub answers: Vec<(Call, A)>,
    pub effects: Vec<E>,
}

impl<A, E> Default for Outcome<A, E> {
    fn default() -> Self {
        Outcome { records: Vec::new(), writer: None, answers: Vec::new(), effects: Vec::new() }
    }
}

impl<A, E> Outcome<A, E> {
    pub fn answer(call: Call, answer: A) -> Outcome<A, E> {
        Outcome { answers: vec![(call, answer)], ..Outcome::default() }
    }
}

/// What a batch takes at most for each record beside its key and value, and for itself. Kept high:
/// it decides whether records fit before they are applied.
const RECORD_OVERHEAD: usize = 36;
const BATCH_OVERHEAD: usize = 61;

/// Bytes of a batch with these records, or a few more.
pub fn batch_bytes<'a>(records: impl IntoIterator<Item = &'a Record>) -> usize {
    let of_record = |record: &Record| {
        RECORD_OVERHEAD + record.key.len() + record.value.as_ref().map_or(0, Vec::len)
    };
    BATCH_OVERHEAD + records.into_iter().map(of_record).sum::<usize>()
}

/// What a machine begins with.
pub struct Seed {
    pub partition: PartitionId,
    pub rules: Rules,
    /// For new ids.
    pub random: Prng,
}

/// What it has to obey, as of now.
#[derive(Clone)]
pub struct Rules {
    pub config: Rc<BrokerConfig>,
    /// No batch may be larger: see [`batch_bytes`].
    pub batch_bytes_max: usize,
    pub view: Rc<dyn View>,
}

/// The rules of one partition of an internal topic. What is durable changes by
/// [`apply`](Machine::apply) alone, live and when the log is replayed; what is not (who waits, when
/// a session ends) changes as it is decided. After a failed append the machine is thrown away
/// and made again from the log, and whoever waits is told to come back.
pub trait Machine: Sized + 'static {
    type Request: 'static;
    type Answer: 'static;
    type Effect: 'static;

    fn new(seed: Seed) -> Self;

    /// The settings have changed, or the cluster has.
    fn obey(&mut self, rules: Rules);

    /// Takes in one entry, in the order of the log.
    fn apply(&mut self, entry: Entry<'_>, now: Now);

    /// The whole log was applied: sessions begin.
    fn loaded(&mut self, now: Now) -> Outcome<Self::Answer, Self::Effect>;

    /// Whether it is decided without a record, so that it can be while nothing can be written.
    fn only_reads(request: &Self::Request) -> bool;

    /// Decides; what it puts into the outcome it has applied already.
    fn decide(
        &mut self,
        call: Call,
        request: Self::Request,
        now: Now,
    ) -> Outcome<Self::Answer, Self::Effect>;

    /// When [`elapse`](Machine::elapse) has to be called next, if anything waits for time. Asked
    /// often; it may be early.
    fn wake_at(&self) -> Option<Instant>;

    /// Time has passed.
    fn elapse(&mut self, now: Now) -> Outcome<Self::Answer, Self::Effect>;
}
