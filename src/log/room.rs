//! What one core knows of the room on the file system behind one data directory. The file system is
//! never asked on the way of an append: whoever looks at it in the background (the shard) says what
//! may be taken until the next look, and the logs count what they reserve.
//!
//! Below the floor clients' records are refused while the disk still has room: so that what was
//! accepted can be written, segments finished, and topics deleted.

use std::cell::Cell;
use std::rc::Rc;

use super::spares::Pool;
use crate::base::planted;
use crate::base::signal::Signal;

/// However little is left, so much may be taken between two looks: each costs a system call.
const LEEWAY_MIN: u64 = 64 << 10;

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Below the floor: nothing more is accepted from clients.
    pub is_short: bool,
    /// Bytes that each core may reserve before it refuses by itself.
    pub bytes: u64,
}

impl Allowance {
    /// Without a floor, and before the first look.
    pub const UNBOUNDED: Allowance = Allowance { is_short: false, bytes: u64::MAX };
}

pub struct Room {
    allowance: Cell<Allowance>,
    /// Bytes reserved since.
    taken: Cell<u64>,
    /// The device said that it is full.
    met_full: Cell<bool>,
    refusals: Cell<u64>,
    worth_a_look: Signal,
    spares: Rc<Pool>,
}

impl Room {
    /// With at most so many bytes of spare files.
    pub(super) fn new(spare_bytes: u64) -> Room {
        Room {
            allowance: Cell::new(Allowance::UNBOUNDED),
            taken: Cell::new(0),
            met_full: Cell::new(false),
            refusals: Cell::new(0),
            worth_a_look: Signal::default(),
            spares: Rc::new(Pool::new(spare_bytes)),
        }
    }

    pub(super) fn spares(&self) -> &Rc<Pool> {
        &self.spares
    }

    /// True while clients' records are refused.
    pub fn is_short(&self) -> bool {
        let allowance = self.allowance.get();
        let is_short = allowance.is_short || self.taken.get() >= allowance.bytes;
        is_short && !planted::is("fill-the-disk")
    }

    /// Record sets refused for want of room since the start.
    pub fn refusals(&self) -> u64 {
        self.refusals.get()
    }

    /// Spare files are given up while there is still as much room as they take, before anybody is
    /// refused.
    pub fn learn(&self, allowance: Allowance) {
        self.spares.shrink(if allowance.is_short { 0 } else { allowance.bytes });
        let bytes = allowance.bytes.max(LEEWAY_MIN);
        self.allowance.set(Allowance { bytes, ..allowance });
        self.taken.set(0);
    }

    /// Waits until somebody should look. True when a write or reservation found no room at all.
    pub async fn worth_a_look(&self) -> bool {
        self.worth_a_look.wait().await;
        self.met_full.take()
    }

    /// Whether somebody should look; asked once.
    pub fn worth_a_look_now(&self) -> bool {
        self.worth_a_look.take()
    }

    pub(super) fn refuse(&self) {
        self.refusals.set(self.refusals.get() + 1);
    }

    pub(super) fn took(&self, bytes: u64) {
        let taken = self.taken.get().saturating_add(bytes);
        self.taken.set(taken);
        let allowance = self.allowance.get();
        if !allowance.is_short && taken >= allowance.bytes / 4 {
            self.worth_a_look.raise();
        }
    }

    /// The largest reservation ahead of need that leaves others their part.
    pub(super) fn step_max(&self) -> u64 {
        self.allowance.get().bytes.saturating_sub(self.taken.get()) / 16
    }

    /// Somebody should look soon.
    pub fn ask_for_a_look(&self) {
        self.worth_a_look.raise();
    }

    /// There was no room: also for what is no log's.
    pub fn was_full(&self) {
        self.spares.shrink(0);
        self.met_full.set(true);
        self.worth_a_look.raise();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_took_its_part_refuses_until_somebody_looks() {
        let room = Room::new(0);
        room.took(1 << 50);
        assert!(!room.is_short(), "nobody looked yet");
        room.learn(Allowance { is_short: false, bytes: 1 << 20 });
        room.took((1 << 20) - 1);
        assert!(!room.is_short());
        assert_eq!(room.step_max(), 0);
        room.took(1);
        assert!(room.is_short());
        room.learn(Allowance { is_short: false, bytes: 0 });
        assert!(!room.is_short(), "some may always be taken between two looks");
        room.learn(Allowance { is_short: true, bytes: 1 << 20 });
        assert!(room.is_short());
    }
}
