//! The coordinators of this core: one machine of rules for each partition of an internal topic that
//! is at home here, loaded from its log when the partition opens.
//!
//! What they decide is written to that partition before anybody is told, in one batch for each
//! decision; answers leave in the order of the decisions, when their records and all before them
//! are as safe as the topic's level says. One task a core keeps the time of all machines of a kind,
//! and there is none while nothing waits.

mod batch;
mod load;
mod route;
mod seat;
mod timers;
mod topics;
mod txn;
mod view;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Shard;
use super::partition::Partition;
use crate::base::signal::Signal;
use crate::base::time::Instant;
use crate::coordinator::Machine;
use crate::model::{ErrorCode, PartitionId};

pub use route::{Errand, Ruling};
use seat::Seat;
pub use seat::TransactionEnd;

/// A machine with its topic: what the shard has to know of each kind.
pub trait Coordinated: Machine {
    /// The internal topic that it is kept in.
    const TOPIC: &'static str;

    fn seats(shard: &Shard) -> &Seats<Self>;

    /// Does elsewhere what the machine of a partition wants done. Not waited for.
    fn perform(effect: Self::Effect, shard: &Rc<Shard>, from: PartitionId);

    /// On its way to another core, and back.
    fn errand(partition: PartitionId, request: Self::Request) -> Errand;
    fn ruling(ruling: Ruling) -> Option<Result<Self::Answer, ErrorCode>>;
}

/// The machines of one kind on this core.
pub struct Seats<M: Coordinated> {
    seats: RefCell<BTreeMap<i32, Rc<Seat<M>>>>,
    /// The broker stops: nobody begins to wait any more.
    closing: Cell<bool>,
    /// Calls that wait for an answer, of all seats.
    waiting: Rc<Cell<usize>>,
    /// When the task that keeps the time looks next; `None` while there is none.
    looks_at: Cell<Option<Instant>>,
    earlier: Signal,
}

impl<M: Coordinated> Default for Seats<M> {
    fn default() -> Self {
        Seats {
            seats: RefCell::default(),
            closing: Cell::new(false),
            waiting: Rc::default(),
            looks_at: Cell::new(None),
            earlier: Signal::default(),
        }
    }
}

impl<M: Coordinated> Seats<M> {
    fn get(&self, partition: PartitionId) -> Option<Rc<Seat<M>>> {
        self.seats.borrow().get(&partition.0).cloned()
    }

    /// Every seat, by partition.
    fn all(&self) -> Vec<Rc<Seat<M>>> {
        self.seats.borrow().values().cloned().collect()
    }
}

impl Shard {
    /// A partition of an internal topic is open here: begins to load what it says.
    fn seat<M: Coordinated>(self: &Rc<Self>, partition: &Rc<Partition>) {
        let seats = M::seats(self);
        let seat = Seat::new(partition.clone(), seats.waiting.clone());
        seats.seats.borrow_mut().insert(partition.index.0, seat.clone());
        seat.load(self);
    }

    /// The partition leaves: whoever waits is told so.
    fn unseat<M: Coordinated>(self: &Rc<Self>, partition: PartitionId) {
        if let Some(seat) = M::seats(self).seats.borrow_mut().remove(&partition.0) {
            seat.close();
        }
    }

    /// Ends what waits for somebody else (a join for other members, say), and lets nothing begin to.
    /// What is decided and on its way to the disk is still answered.
    fn hush_seats<M: Coordinated>(&self) {
        let seats = M::seats(self);
        seats.closing.set(true);
        for seat in seats.all() {
            seat.hush();
        }
        seats.earlier.raise();
    }

    fn obey_in_seats<M: Coordinated>(&self) {
        for seat in M::seats(self).all() {
            seat.obey(self);
        }
    }
}
