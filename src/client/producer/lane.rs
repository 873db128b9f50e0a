//! One partition's way to its leader: a task that sends what the queue says, and one that takes the
//! answers in their order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::queue::{Queue, Step};
use super::{Acks, NewRecord, Shared, Trouble, new_identity};
use crate::base::signal::Signal;
use crate::base::time::Instant;
use crate::client::{Backoff, Error, Pending, Result};
use crate::model::{BrokerId, ErrorCode};
use crate::rt::{self, Task};
use crate::wire::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};

/// The first version that names topics by id.
const VERSION_OF_IDS: i16 = 13;

pub struct Lane {
    index: i32,
    shared: Rc<Shared>,
    queue: RefCell<Queue>,
    pending: RefCell<VecDeque<Pending<Produce>>>,
    /// To whom the batches under way went.
    leader: Cell<Option<BrokerId>>,
    work: Signal,
    due: Signal,
}

/// A lane and its tasks, which end with it.
pub struct Running {
    pub lane: Rc<Lane>,
    _tasks: [Task<()>; 2],
}

impl Lane {
    pub fn start(shared: Rc<Shared>, index: i32) -> Running {
        let options = &shared.options;
        let queue = Queue::new(options.codec, options.batch_bytes, options.linger, shared.identity);
        let lane = Rc::new(Lane {
            index,
            shared,
            queue: RefCell::new(queue),
            pending: RefCell::default(),
            leader: Cell::new(None),
            work: Signal::default(),
            due: Signal::default(),
        });
        let tasks = [rt::spawn(lane.clone().drive()), rt::spawn(lane.clone().settle())];
        Running { lane, _tasks: tasks }
    }

    /// Queues a record; true when that filled a batch.
    pub fn push(&self, record: &NewRecord<'_>, size: usize) -> bool {
        let shared = &self.shared;
        shared.buffered_bytes.set(shared.buffered_bytes.get() + size);
        shared.records_open.set(shared.records_open.get() + 1);
        let mut queue = self.queue.borrow_mut();
        let waits = queue.oldest().is_some();
        let full = queue.push(record, size, rt::now());
        if full || !waits {
            self.work.raise();
        }
        full
    }

    pub fn wake(&self) {
        self.work.raise();
    }

    /// Sends, and recovers, until the producer fails or is dropped.
    async fn drive(self: Rc<Lane>) {
        let mut backoff = Backoff::new(self.shared.routes.cluster.options());
        while self.shared.alive().is_ok() {
            let step = self.queue.borrow().step(rt::now(), self.shared.flushes.get() > 0);
            match step {
                Step::Send => {
                    if let Err(error) = self.send().await {
                        self.queue.borrow_mut().blocked(error);
                    } else if self.queue.borrow().trouble().is_none() {
                        backoff.reset();
                    }
                }
                Step::Until(due) => {
                    let wait = due.since(rt::now());
                    // Either way there is something to look at.
                    let _ = rt::timeout(wait, self.work.wait()).await;
                }
                Step::Wait => self.work.wait().await,
                Step::Recover => self.recover(&mut backoff).await,
            }
        }
    }

    async fn send(&self) -> Result<()> {
        let shared = &self.shared;
        let (connection, leader) = shared.routes.connection(self.index).await?;
        let previous = self.leader.get();
        if self.queue.borrow().in_flight() > 0 && previous != Some(leader) {
            // A new leader must not see a later batch before an earlier one has come back.
            self.work.wait().await;
            return Ok(());
        }
        // Much may have happened while the connection was made.
        if self.queue.borrow().step(rt::now(), true) != Step::Send {
            return Ok(());
        }
        let id = shared.routes.topic().id;
        let most = if id.is_nil() { VERSION_OF_IDS - 1 } else { VERSION_OF_IDS };
        let version = connection.version_at_most::<Produce>(most)?;
        self.leader.set(Some(leader));
        {
            let mut queue = self.queue.borrow_mut();
            let timeout = shared.routes.cluster.options().request_timeout;
            let request = ProduceRequest {
                transactional_id: None,
                acks: shared.options.acks.level(),
                timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
                topic_data: vec![TopicProduceData {
                    name: &shared.routes.name,
                    topic_id: id,
                    partition_data: vec![PartitionProduceData {
                        index: self.index,
                        records: Some(&queue.take().bytes),
                    }],
                }],
            };
            if shared.options.acks != Acks::None {
                let pending = connection.send::<Produce>(version, &request);
                // The broker itself may take that long before it answers.
                self.pending.borrow_mut().push_back(pending.allow(timeout / 2));
                self.due.raise();
                return Ok(());
            }
            connection.send_unanswered::<Produce>(version, &request);
        }
        // That the kernel has it is all there is to know.
        match connection.sent_down_to(0).await {
            Ok(()) => self.acknowledge(),
            Err(error) => self.queue.borrow_mut().refused(error),
        }
        Ok(())
    }

    /// Takes the answers, oldest first.
    async fn settle(self: Rc<Lane>) {
        while self.shared.alive().is_ok() {
            let pending = self.pending.borrow_mut().pop_front();
            let Some(pending) = pending else {
                self.due.wait().await;
                continue;
            };
            match self.outcome(pending).await {
                Ok(()) => self.acknowledge(),
                Err(error) => self.refuse(error),
            }
            self.work.raise();
        }
    }

    async fn outcome(&self, pending: Pending<Produce>) -> Result<()> {
        let answer = pending.answer().await?;
        let response = answer.decode()?;
        let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        let subject = self.shared.routes.subject(self.index);
        let Some(partition) = partitions.find(|partition| partition.index == self.index) else {
            let reason = format!("no word about {subject} in an answer to Produce");
            return Err(Error::Malformed { peer: "a broker".to_owned(), reason });
        };
        match partition.error_code {
            // A duplicate is what an earlier attempt wrote.
            ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Ok(()),
            code => Err(Error::refused(subject, code, partition.error_message)),
        }
    }

    fn acknowledge(&self) {
        let batch = self.queue.borrow_mut().acknowledged();
        let shared = &self.shared;
        let mut written = shared.written.get();
        written.records += batch.records;
        written.bytes += batch.bytes.len() as u64;
        written.batches += 1;
        shared.written.set(written);
        shared.records_open.set(shared.records_open.get() - batch.records);
        shared.buffered_bytes.set(shared.buffered_bytes.get() - batch.size);
        *shared.trouble.borrow_mut() = Trouble::None;
        shared.progress.raise();
    }

    fn refuse(&self, error: Error) {
        let mut queue = self.queue.borrow_mut();
        let first = queue.trouble().is_none();
        if first && !error.is_retriable() && !is_gap(&error) {
            self.shared.fail(error);
        } else {
            queue.refused(error);
        }
    }

    /// After a failure, with nothing under way: waits a little, asks again who leads.
    async fn recover(&self, backoff: &mut Backoff) {
        let shared = &self.shared;
        let (trouble, oldest, ambiguous) = {
            let queue = self.queue.borrow();
            let trouble = queue.trouble().cloned().expect("there is something to recover from");
            (trouble, queue.oldest(), queue.is_ambiguous())
        };
        let age = |oldest: Instant| rt::now().since(oldest);
        let tried = oldest.map_or(Duration::ZERO, age);
        if tried > shared.options.delivery_timeout {
            return shared.fail(trouble);
        }
        shared.note(&trouble);
        let noticed = rt::now();
        backoff.pause().await;
        if is_gap(&trouble) {
            // The broker has forgotten this producer. A fresh id may go on where nothing can have
            // been written that nobody heard of (KIP-360 does the same with epochs).
            if ambiguous {
                return shared.fail(trouble);
            }
            match new_identity(&shared.routes.cluster).await {
                Ok(identity) => self.queue.borrow_mut().renumber(identity),
                Err(_) => return,
            }
        }
        // A failure to ask is trouble of the next attempt.
        let _ = shared.routes.refresh(noticed).await;
        self.queue.borrow_mut().resume();
    }
}

/// The broker's memory of this producer does not fit what it was sent.
fn is_gap(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER | ErrorCode::UNKNOWN_PRODUCER_ID)
    )
}
