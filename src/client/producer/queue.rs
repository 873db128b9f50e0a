//! One partition's records on their way, and the rules of their order. Pure: the lane performs.
//!
//! A record is in one of four places: the open batch, then `ready`, then `in_flight`; and when an
//! attempt failed in `failed`, until every later batch under way has come back too. Then all that
//! failed stands in front of `ready` again, in its old order.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Identity, NewRecord};
use crate::base::time::Instant;
use crate::client::Error;
use crate::wire::batch;
use crate::wire::compression::Codec;
use crate::wire::record::{BatchBuilder, BatchFields};

/// Batches of one partition under way at once: what brokers remember of each producer.
const IN_FLIGHT_MAX: usize = 5;

#[derive(Debug)]
pub struct Sealed {
    pub bytes: Vec<u8>,
    pub records: u64,
    /// What it counts for in the producer's buffer.
    pub size: usize,
    /// When its first record was queued.
    pub opened: Instant,
    /// An attempt may have been carried out although nobody heard of it.
    pub ambiguous: bool,
}

struct Open {
    builder: BatchBuilder,
    size: usize,
    since: Instant,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the next batch.
    Send,
    /// Wait until this time, or until something happens.
    Until(Instant),
    /// Wait until something happens.
    Wait,
    /// Find out what has changed, then `resume`.
    Recover,
}

pub struct Queue {
    codec: Codec,
    batch_bytes: usize,
    linger: Duration,
    in_flight_max: usize,
    identity: Identity,
    next_sequence: i32,
    open: Option<Open>,
    ready: VecDeque<Sealed>,
    in_flight: VecDeque<Sealed>,
    failed: Vec<Sealed>,
    trouble: Option<Error>,
}

impl Queue {
    pub fn new(codec: Codec, batch_bytes: usize, linger: Duration, identity: Identity) -> Queue {
        // Without sequence numbers a repeated batch could overtake the one behind it.
        let in_flight_max = if identity == Identity::NONE { 1 } else { IN_FLIGHT_MAX };
        Queue {
            codec,
            batch_bytes,
            linger,
            in_flight_max,
            identity,
            next_sequence: 0,
            open: None,
            ready: VecDeque::new(),
            in_flight: VecDeque::new(),
            failed: Vec::new(),
            trouble: None,
        }
    }

    /// Adds a record of at most `size` bytes; true when that filled a batch.
    pub fn push(&mut self, record: &NewRecord<'_>, size: usize, now: Instant) -> bool {
        let open = self.open.as_ref();
        let full = open.is_some_and(|open| open.builder.size() + size > self.batch_bytes);
        if full {
            self.seal();
        }
        let (codec, identity, base_sequence) = (self.codec, self.identity, self.next_sequence);
        let open = self.open.get_or_insert_with(|| {
            let fields = BatchFields {
                codec,
                producer_id: identity.producer_id,
                producer_epoch: identity.epoch,
                base_sequence: if identity == Identity::NONE { -1 } else { base_sequence },
                ..BatchFields::default()
            };
            Open { builder: BatchBuilder::new(fields), size: 0, since: now }
        });
        open.builder.push(record.timestamp, record.key, record.value, record.headers);
        open.size += size;
        full || open.builder.size() >= self.batch_bytes
    }

    /// Closes the open batch and gives it its sequence numbers for good.
    fn seal(&mut self) {
        let Some(Open { builder, size, since }) = self.open.take() else { return };
        let records = builder.record_count();
        self.next_sequence = self.next_sequence.wrapping_add(records) & i32::MAX;
        self.ready.push_back(Sealed {
            bytes: builder.finish(),
            records: records as u64,
            size,
            opened: since,
            ambiguous: false,
        });
    }

    /// `hurry`: the open batch does not wait for company.
    pub fn step(&self, now: Instant, hurry: bool) -> Step {
        if self.trouble.is_some() {
            return if self.in_flight.is_empty() { Step::Recover } else { Step::Wait };
        }
        if self.in_flight.len() >= self.in_flight_max {
            return Step::Wait;
        }
        if !self.ready.is_empty() {
            return Step::Send;
        }
        match &self.open {
            None => Step::Wait,
            Some(open) => {
                let due = open.since + self.linger;
                let full = open.builder.size() >= self.batch_bytes;
                if hurry || full || due <= now { Step::Send } else { Step::Until(due) }
            }
        }
    }

    /// Moves the next batch to those under way. Only after `step` said `Send`.
    pub fn take(&mut self) -> &Sealed {
        if self.ready.is_empty() {
            self.seal();
        }
        let batch = self.ready.pop_front().expect("step saw a batch");
        self.in_flight.push_back(batch);
        self.in_flight.back().expect("just added")
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The oldest batch under way was written.
    pub fn acknowledged(&mut self) -> Sealed {
        let batch = self.in_flight.pop_front().expect("a batch is under way");
        self.gather();
        batch
    }

    /// The oldest batch under way was not written, or nobody knows. The first trouble is the one
    /// that is told; what comes back behind it failed because of it.
    pub fn refused(&mut self, error: Error) {
        let mut batch = self.in_flight.pop_front().expect("a batch is under way");
        batch.ambiguous |= error.is_ambiguous();
        self.failed.push(batch);
        self.trouble.get_or_insert(error);
        self.gather();
    }

    /// No batch could be sent at all.
    pub fn blocked(&mut self, error: Error) {
        self.trouble.get_or_insert(error);
        self.gather();
    }

    pub fn trouble(&self) -> Option<&Error> {
        self.trouble.as_ref()
    }

    fn gather(&mut self) {
        if self.in_flight.is_empty() {
            for batch in self.failed.drain(..).rev() {
                self.ready.push_front(batch);
            }
        }
    }

    /// When the oldest record that waits was queued.
    pub fn oldest(&self) -> Option<Instant> {
        self.ready.front().map(|batch| batch.opened).or(self.open.as_ref().map(|open| open.since))
    }

    /// Whether a batch that waits may have been written by an earlier attempt.
    pub fn is_ambiguous(&self) -> bool {
        self.ready.iter().any(|batch| batch.ambiguous)
    }

    /// The trouble is over.
    pub fn resume(&mut self) {
        assert!(self.in_flight.is_empty(), "batches under way would be overtaken");
        self.trouble = None;
    }

    /// Goes on as another producer, whose sequence numbers begin at 0 with the oldest batch.
    pub fn renumber(&mut self, identity: Identity) {
        assert!(self.in_flight.is_empty(), "batches under way keep their numbers");
        self.seal();
        self.identity = identity;
        self.next_sequence = 0;
        for Sealed { bytes, records, .. } in &mut self.ready {
            let mut put = |at: usize, field: &[u8]| {
                bytes[at..at + field.len()].copy_from_slice(field);
            };
            put(batch::PRODUCER_ID_AT, &identity.producer_id.to_be_bytes());
            put(batch::PRODUCER_EPOCH_AT, &identity.epoch.to_be_bytes());
            put(batch::BASE_SEQUENCE_AT, &self.next_sequence.to_be_bytes());
            batch::stamp_crc(bytes);
            self.next_sequence = self.next_sequence.wrapping_add(*records as i32) & i32::MAX;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ErrorCode;
    use crate::wire::batch::Batch;

    const NOW: u64 = 1_000_000_000;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(NOW + millis * 1_000_000)
    }

    fn queue(identity: Identity) -> Queue {
        Queue::new(Codec::None, 200, Duration::from_millis(5), identity)
    }

    fn push(queue: &mut Queue, value: &[u8], now: Instant) -> bool {
        let record = NewRecord { value: Some(value), ..Default::default() };
        queue.push(&record, record.size_max(), now)
    }

    fn sequence(batch: &Sealed) -> i32 {
        Batch::first(&batch.bytes).unwrap().header.base_sequence()
    }

    const ID: Identity = Identity { producer_id: 7, epoch: 0 };

    fn not_leader() -> Error {
        Error::refused("t-0", ErrorCode::NOT_LEADER_OR_FOLLOWER, None)
    }

    #[test]
    fn a_batch_goes_when_it_is_full_or_old_or_hurried() {
        let mut queue = queue(ID);
        assert_eq!(queue.step(at(0), true), Step::Wait);
        assert!(!push(&mut queue, b"one", at(0)));
        assert_eq!(queue.step(at(0), false), Step::Until(at(5)));
        assert_eq!(queue.step(at(0), true), Step::Send);
        assert_eq!(queue.step(at(5), false), Step::Send);
        assert!(push(&mut queue, &[0; 150], at(1)));
        assert_eq!(queue.step(at(1), false), Step::Send);
        assert_eq!(queue.take().records, 1);
        assert_eq!(queue.step(at(1), false), Step::Send, "the second is full, too");
    }

    #[test]
    fn what_failed_goes_again_in_its_old_order() {
        let mut queue = queue(ID);
        for value in 0..7 {
            push(&mut queue, &[value; 150], at(0));
        }
        for expected in 0..5 {
            assert_eq!(queue.step(at(0), false), Step::Send);
            assert_eq!(sequence(queue.take()), expected);
        }
        assert_eq!(queue.step(at(0), false), Step::Wait, "five are under way");
        assert_eq!(sequence(&queue.acknowledged()), 0);
        queue.refused(not_leader());
        assert_eq!(queue.step(at(0), false), Step::Wait, "three are still out");
        let gap = Error::refused("t-0", ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, None);
        queue.refused(gap.clone());
        assert_eq!(sequence(&queue.acknowledged()), 3, "as it may be after a timeout");
        queue.refused(gap);
        assert_eq!(queue.step(at(0), false), Step::Recover);
        assert_eq!(queue.trouble(), Some(&not_leader()));
        queue.resume();
        for expected in [1, 2, 4, 5, 6] {
            assert_eq!(queue.step(at(0), true), Step::Send);
            assert_eq!(sequence(queue.take()), expected);
        }
    }

    #[test]
    fn without_sequence_numbers_one_batch_is_under_way() {
        let mut queue = queue(Identity::NONE);
        push(&mut queue, &[0; 150], at(0));
        push(&mut queue, &[0; 150], at(0));
        assert_eq!(sequence(queue.take()), -1);
        assert_eq!(queue.step(at(0), true), Step::Wait);
    }

    #[test]
    fn another_identity_numbers_from_the_oldest_batch() {
        let mut queue = queue(ID);
        for value in 0..4 {
            push(&mut queue, &[value; 150], at(0));
        }
        queue.take();
        queue.acknowledged();
        queue.take();
        queue.refused(Error::refused("t-0", ErrorCode::UNKNOWN_PRODUCER_ID, None));
        queue.renumber(Identity { producer_id: 9, epoch: 3 });
        queue.resume();
        for expected in 0..3 {
            let batch = Batch::first(&queue.take().bytes).unwrap();
            batch.check_crc().unwrap();
            let header = batch.header;
            assert_eq!((header.producer_id(), header.producer_epoch()), (9, 3));
            assert_eq!(header.base_sequence(), expected);
        }
    }
}
