//! What a machine decides: records to write, answers to give when they are safe, work to be done
//! elsewhere after that.

use crate::base::time::Instant;

/// Both clocks: sessions and time-outs go by the one that does not jump, records carry the other.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub at: Instant,
    pub unix_ms: i64,
}

/// One request that waits for its answer; the runtime knows who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call(pub u64);

/// One record of an internal topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub key: Vec<u8>,
    /// `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// What came of one request, or of time passing. The records are written as one batch, all or
/// nothing; answers and effects leave when everything that was written up to then is safe, so that
/// nobody is told of what a crash could take back.
#[derive(Debug)]
pub struct Outcome<A, E> {
    pub records: Vec<Record>,
    /// To this call, or to others that waited (a join is answered when the last member joins).
    pub answers: Vec<(Call, A)>,
    pub effects: Vec<E>,
}

impl<A, E> Default for Outcome<A, E> {
    fn default() -> Self {
        Outcome { records: Vec::new(), answers: Vec::new(), effects: Vec::new() }
    }
}

/// The rules of one partition of an internal topic. What is durable changes by
/// [`apply`](Machine::apply) alone, live and when the log is replayed; what is not (who waits, when
/// a session ends) changes as it is decided. After a failed append the machine is thrown away
/// and made again from the log.
pub trait Machine {
    type Request;
    type Answer;
    type Effect;

    /// Takes in one record, in the order of the log.
    fn apply(&mut self, record: &Record, now: Now);

    /// The whole log was applied: sessions begin.
    fn loaded(&mut self, now: Now) -> Outcome<Self::Answer, Self::Effect>;

    /// Decides; what it puts into the outcome it has applied already.
    fn decide(
        &mut self,
        call: Call,
        request: Self::Request,
        now: Now,
    ) -> Outcome<Self::Answer, Self::Effect>;

    /// When [`elapse`](Machine::elapse) has to be called next, if anything waits for time.
    fn wake_at(&self) -> Option<Instant>;

    /// Time has passed.
    fn elapse(&mut self, now: Now) -> Outcome<Self::Answer, Self::Effect>;

    /// The partition moves away or the machine failed: every call that waits, to be told so.
    fn give_up(&mut self) -> Vec<Call>;
}
