//! One machine and its partition: what it decides is appended, and told when it is safe.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::{Coordinated, batch};
use crate::base::hash::FastMap;
use crate::base::oneshot::{Receiver, Sender, oneshot};
use crate::base::planted;
use crate::base::prng::Prng;
use crate::base::signal::Signal;
use crate::config::limits::COORDINATOR_CALLS_PER_CORE_MAX;
use crate::coordinator::{Call, Entry, Machine, Now, Outcome, Rules, Seed, Writer};
use crate::model::ErrorCode;
use crate::notice;
use crate::rt;
use crate::shard::Shard;
use crate::shard::partition::Partition;

/// Before a machine is loaded again whose records could not be appended.
pub(super) const RELOAD_PAUSE: Duration = Duration::from_secs(1);

pub(super) type Told<M> = Result<<M as Machine>::Answer, ErrorCode>;

pub(super) struct Seat<M: Coordinated> {
    pub(super) partition: Rc<Partition>,
    pub(super) state: RefCell<State<M>>,
    /// Who waits for an answer.
    waiting: RefCell<FastMap<Call, Sender<Told<M>>>>,
    /// Of all seats of the core.
    waiting_count: Rc<Cell<usize>>,
    next_call: Cell<u64>,
    /// Decided, and not safe yet; in order.
    held: RefCell<VecDeque<Held<M>>>,
    /// Behind the last record appended here.
    end: Cell<i64>,
    releasing: Cell<bool>,
    closed: Cell<bool>,
    /// What the machine is to be told when it has loaded.
    notes: RefCell<Vec<M::Request>>,
}

/// The end of a transaction in a partition of an internal topic.
pub struct TransactionEnd {
    /// The control batch.
    pub marker: Vec<u8>,
    pub txn_version: i16,
    pub writer: Writer,
    pub commit: bool,
}

pub(super) enum State<M> {
    Loading,
    Ready(M),
    /// Its log cannot be read or written.
    Failed,
}

struct Held<M: Coordinated> {
    end: i64,
    answers: Vec<(Call, M::Answer)>,
    effects: Vec<M::Effect>,
}

pub(super) fn now() -> Now {
    Now { at: rt::now(), unix_ms: rt::unix_ms() }
}

impl<M: Coordinated> Seat<M> {
    pub(super) fn new(partition: Rc<Partition>, waiting_count: Rc<Cell<usize>>) -> Rc<Seat<M>> {
        Rc::new(Seat {
            partition,
            state: RefCell::new(State::Loading),
            waiting: RefCell::default(),
            waiting_count,
            next_call: Cell::new(0),
            held: RefCell::default(),
            end: Cell::new(0),
            releasing: Cell::new(false),
            closed: Cell::new(false),
            notes: RefCell::default(),
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    fn rules(&self, shard: &Shard) -> Rules {
        Rules {
            config: shard.config(),
            batch_bytes_max: self.partition.log().batch_bytes_max(),
            view: shard.view(),
        }
    }

    pub(super) fn seed(&self, shard: &Shard, random: Prng) -> Seed {
        Seed { partition: self.partition.index, rules: self.rules(shard), random }
    }

    pub(super) fn obey(&self, shard: &Shard) {
        if let State::Ready(machine) = &mut *self.state.borrow_mut() {
            machine.obey(self.rules(shard));
        }
    }

    /// Decides at once; the answer comes when it is safe. `None` from it: the core stops.
    pub(super) fn ask(
        self: &Rc<Self>,
        shard: &Rc<Shard>,
        request: M::Request,
    ) -> Result<Receiver<Told<M>>, ErrorCode> {
        if M::seats(shard).closing.get() {
            return Err(ErrorCode::NOT_COORDINATOR);
        }
        let mut state = self.state.borrow_mut();
        let machine = match &mut *state {
            // For a moment nothing can be written: the log goes on in another directory.
            _ if self.partition.hold.is_on() => {
                return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
            }
            State::Loading => return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            State::Failed => return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
            State::Ready(machine) => machine,
        };
        let log = self.partition.log();
        let is_full = self.waiting_count.get() >= COORDINATOR_CALLS_PER_CORE_MAX;
        let is_stuck = log.is_disk_full() && !M::only_reads(&request);
        if is_full || is_stuck || self.partition.has_failed() {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        let call = self.new_call();
        let (sender, receiver) = oneshot();
        self.waiting.borrow_mut().insert(call, sender);
        self.waiting_count.set(self.waiting_count.get() + 1);
        let outcome = machine.decide(call, request, now());
        drop(state);
        self.carry_out(shard, outcome);
        Ok(receiver)
    }

    /// Time has passed, or something happened beside the requests.
    pub(super) fn turn(
        self: &Rc<Self>,
        shard: &Rc<Shard>,
        decide: impl FnOnce(&mut M) -> Outcome<M::Answer, M::Effect>,
    ) {
        let outcome = match &mut *self.state.borrow_mut() {
            State::Ready(machine) => decide(machine),
            State::Loading | State::Failed => return,
        };
        self.carry_out(shard, outcome);
    }

    /// Tells the machine something to which nobody waits for an answer; when it has loaded, if it
    /// has not.
    pub(super) fn note(self: &Rc<Self>, shard: &Rc<Shard>, request: M::Request) {
        if !matches!(*self.state.borrow(), State::Ready(_)) {
            self.notes.borrow_mut().push(request);
            return;
        }
        let call = self.new_call();
        self.turn(shard, |machine| machine.decide(call, request, now()));
    }

    pub(super) fn take_notes(self: &Rc<Self>, shard: &Rc<Shard>) {
        for request in self.notes.take() {
            self.note(shard, request);
        }
    }

    fn new_call(&self) -> Call {
        let call = Call(self.next_call.get());
        self.next_call.set(call.0 + 1);
        call
    }

    pub(super) fn wake_at(&self) -> Option<crate::base::time::Instant> {
        match &*self.state.borrow() {
            State::Ready(machine) => machine.wake_at(),
            State::Loading | State::Failed => None,
        }
    }

    /// Appends, and tells when it is safe.
    fn carry_out(self: &Rc<Self>, shard: &Rc<Shard>, outcome: Outcome<M::Answer, M::Effect>) {
        let Outcome { records, writer, answers, effects } = outcome;
        if !records.is_empty() {
            let bytes = batch::build(&records, writer, rt::unix_ms());
            if let Err(code) = self.append(&bytes) {
                return self.fail(shard, code);
            }
        }
        if !(answers.is_empty() && effects.is_empty()) {
            let early = planted::is("mark-before-it-is-decided");
            if (self.is_safe(self.end.get()) && self.held.borrow().is_empty()) || early {
                self.tell(shard, answers, effects);
            } else {
                let held = Held { end: self.end.get(), answers, effects };
                self.held.borrow_mut().push_back(held);
                self.release_later(shard);
            }
        } else if !records.is_empty() {
            // Nobody asks, and yet a failure must be noticed.
            let held = Held { end: self.end.get(), answers, effects };
            self.held.borrow_mut().push_back(held);
            self.release_later(shard);
        }
        shard.keep_time::<M>(self.wake_at());
    }

    fn append(&self, bytes: &[u8]) -> Result<(), ErrorCode> {
        let most = self.partition.log().batch_bytes_max();
        if bytes.len() > most {
            notice!(
                "{}-{}: a batch of {} bytes is larger than max.message.bytes ({most})",
                self.partition.name,
                self.partition.index,
                bytes.len()
            );
            return Err(ErrorCode::RECORD_LIST_TOO_LARGE);
        }
        self.end.set(self.partition.append_own(bytes)?);
        Ok(())
    }

    /// A transaction has ended: appends its marker, tells the machine, and returns when both are
    /// as safe as the topic's level says.
    pub(super) async fn end_transaction(
        self: &Rc<Self>,
        shard: &Rc<Shard>,
        end: &TransactionEnd,
    ) -> Result<(), ErrorCode> {
        match &*self.state.borrow() {
            State::Loading => return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            State::Failed => return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            State::Ready(_) => {}
        }
        let offset = self.partition.append_marker(&end.marker, end.txn_version)?;
        self.end.set(offset);
        let entry = Entry::Marker { writer: end.writer, commit: end.commit };
        self.turn(shard, |machine| {
            machine.apply(entry, now());
            Outcome::default()
        });
        let progress = Rc::new(Signal::default());
        loop {
            self.partition.watch(&progress);
            if self.is_safe(offset) {
                return Ok(());
            }
            if self.partition.has_failed() || self.closed.get() {
                return Err(ErrorCode::KAFKA_STORAGE_ERROR);
            }
            progress.wait().await;
        }
    }

    fn is_safe(&self, end: i64) -> bool {
        self.partition.high_watermark() >= end || planted::is("answer-before-it-is-safe")
    }

    fn tell(
        self: &Rc<Self>,
        shard: &Rc<Shard>,
        answers: Vec<(Call, M::Answer)>,
        effects: Vec<M::Effect>,
    ) {
        for (call, answer) in answers {
            self.settle(call, Ok(answer));
        }
        for effect in effects {
            M::perform(effect, shard, self.partition.index);
        }
    }

    fn settle(&self, call: Call, told: Told<M>) {
        let waiting = self.waiting.borrow_mut().remove(&call);
        if let Some(sender) = waiting {
            self.waiting_count.set(self.waiting_count.get() - 1);
            sender.send(told);
        }
    }

    fn release_later(self: &Rc<Self>, shard: &Rc<Shard>) {
        if !self.releasing.replace(true) {
            let (seat, shard) = (self.clone(), shard.clone());
            rt::spawn(async move { seat.release(&shard).await }).detach();
        }
    }

    /// Lets go of what has become safe, until nothing is held.
    async fn release(self: Rc<Self>, shard: &Rc<Shard>) {
        let progress = Rc::new(Signal::default());
        loop {
            // Before the look, so that nothing slips between.
            self.partition.watch(&progress);
            loop {
                let safe = match self.held.borrow_mut() {
                    mut held if held.front().is_some_and(|held| self.is_safe(held.end)) => {
                        held.pop_front()
                    }
                    _ => None,
                };
                let Some(Held { answers, effects, .. }) = safe else { break };
                self.tell(shard, answers, effects);
            }
            if self.held.borrow().is_empty() {
                break;
            }
            if self.partition.has_failed() {
                self.fail(shard, ErrorCode::KAFKA_STORAGE_ERROR);
                break;
            }
            progress.wait().await;
        }
        self.releasing.set(false);
    }

    /// What was decided could not be written down: forgets it all and begins again.
    fn fail(self: &Rc<Self>, shard: &Rc<Shard>, code: ErrorCode) {
        if self.closed.get() {
            return;
        }
        notice!("{}-{} loads again: {code}", self.partition.name, self.partition.index);
        *self.state.borrow_mut() = State::Loading;
        self.give_up(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        let (seat, shard) = (self.clone(), shard.clone());
        rt::spawn(async move {
            rt::sleep(RELOAD_PAUSE).await;
            seat.load(&shard);
        })
        .detach();
    }

    fn give_up(&self, error: ErrorCode) {
        self.held.borrow_mut().clear();
        let mut waiting: Vec<Call> = self.waiting.borrow().keys().copied().collect();
        waiting.sort_unstable();
        for call in waiting {
            self.settle(call, Err(error));
        }
    }

    pub(super) fn close(&self) {
        self.closed.set(true);
        *self.state.borrow_mut() = State::Failed;
        self.give_up(ErrorCode::NOT_COORDINATOR);
    }

    /// Gives up what waits for others; what is on its way to the disk is not.
    pub(super) fn hush(&self) {
        let held = self.held.borrow();
        let decided: Vec<Call> =
            held.iter().flat_map(|held| &held.answers).map(|(call, _)| *call).collect();
        let mut parked: Vec<Call> = self.waiting.borrow().keys().copied().collect();
        parked.retain(|call| !decided.contains(call));
        parked.sort_unstable();
        for call in parked {
            self.settle(call, Err(ErrorCode::NOT_COORDINATOR));
        }
    }
}
