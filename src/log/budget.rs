//! What the logs of one core share: the memory of their tails, the bytes that wait for the disk,
//! and how many segments are open for readers. One per core; it knows tails and segments only as
//! something that can give back what it holds.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};

use super::room::Room;
use super::segment::Segment;
use super::tail::Tail;
use crate::base::signal::Broadcast;
use crate::base::time::Instant;
use crate::rt;

/// Chunks looked at in one go; the next append, which adds one at most, looks at more.
const RECLAIM_STEPS: usize = 4;
/// Bytes kept whatever readers do: little enough to stay in a core's share of the processor's cache,
/// where receiving into memory that was just freed costs a third less than into cold memory.
const WARM_BYTES: usize = 8 << 20;

/// The core-wide limits of logs.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of tail blocks kept after they were written.
    pub cache_bytes: usize,
    /// Bytes appended and not yet written, beyond which new requests should wait.
    pub unwritten_bytes: usize,
    /// Segments whose indexes and descriptors stay open for readers.
    pub warm_segments: usize,
    /// Most bytes of deleted segments' files that wait to be written again, below each data directory.
    pub spare_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            cache_bytes: 256 << 20,
            unwritten_bytes: 64 << 20,
            warm_segments: 128,
            spare_bytes: 4 << 30,
        }
    }
}

pub struct Budget {
    limits: Limits,
    cached_bytes: Cell<usize>,
    unwritten_bytes: Cell<usize>,
    /// Bytes ever appended: the core's own time.
    appended_bytes: Cell<u64>,
    reach: Reach,
    /// Oldest chunk first: whose it is, and its number there.
    chunks: RefCell<VecDeque<(Weak<Tail>, u64)>>,
    relieved: Broadcast,
    /// Segments that readers have opened, oldest first.
    warm: RefCell<VecDeque<Weak<Segment>>>,
    /// One for each data directory.
    rooms: RefCell<Vec<(PathBuf, Rc<Room>)>>,
    /// When it was made, by both clocks: monotonic and in ms since 1970.
    made: (Instant, i64),
}

impl Budget {
    pub fn new(limits: Limits) -> Rc<Budget> {
        Rc::new(Budget {
            limits,
            cached_bytes: Cell::new(0),
            unwritten_bytes: Cell::new(0),
            appended_bytes: Cell::new(0),
            reach: Reach::new(limits.cache_bytes),
            chunks: RefCell::default(),
            relieved: Broadcast::default(),
            warm: RefCell::default(),
            rooms: RefCell::default(),
            made: (rt::now(), rt::unix_ms()),
        })
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Bytes of memory in the tails of this core.
    pub fn cached_bytes(&self) -> usize {
        self.cached_bytes.get()
    }

    /// Bytes appended on this core and not yet written.
    pub fn unwritten_bytes(&self) -> usize {
        self.unwritten_bytes.get()
    }

    /// True while new requests should wait: the disk is behind.
    pub fn is_pressed(&self) -> bool {
        self.unwritten_bytes.get() >= self.limits.unwritten_bytes
    }

    /// Waits until the disk has caught up.
    pub async fn relieved(&self) {
        while self.is_pressed() {
            self.relieved.wait().await;
        }
    }

    /// What is known of the room for partitions in this data directory.
    pub fn room(&self, data: &Path) -> Rc<Room> {
        let mut rooms = self.rooms.borrow_mut();
        if let Some((_, room)) = rooms.iter().find(|(dir, _)| dir == data) {
            return room.clone();
        }
        let room = Rc::new(Room::new(self.limits.spare_bytes));
        rooms.push((data.to_owned(), room.clone()));
        room
    }

    /// Milliseconds since 1970 by a clock that never jumps ahead of the time that has passed here.
    pub fn steady_ms(&self) -> i64 {
        let passed = rt::now().since(self.made.0).as_millis() as i64;
        rt::unix_ms().min(self.made.1 + passed)
    }

    /// A reader has opened the segment: it stays warm until enough others have come.
    pub(super) fn warm_up(&self, segment: &Rc<Segment>) {
        if segment.is_warm.replace(true) {
            return;
        }
        let mut warm = self.warm.borrow_mut();
        warm.push_back(Rc::downgrade(segment));
        while warm.len() > self.limits.warm_segments {
            if let Some(oldest) = warm.pop_front().and_then(|oldest| oldest.upgrade()) {
                oldest.is_warm.set(false);
                oldest.cool_down();
            }
        }
    }

    pub(super) fn appended(&self, bytes: usize) {
        self.unwritten_bytes.set(self.unwritten_bytes.get() + bytes);
        self.appended_bytes.set(self.appended_bytes.get() + bytes as u64);
        self.reach.passed(self.appended_bytes.get());
    }

    /// Bytes ever appended on this core.
    pub(super) fn appended_bytes(&self) -> u64 {
        self.appended_bytes.get()
    }

    /// A reader took, or would have taken, what `depth` bytes were appended after.
    pub(super) fn reached_back(&self, depth: u64) {
        self.reach.saw(depth);
    }

    pub(super) fn written(&self, bytes: usize) {
        let was_pressed = self.is_pressed();
        self.unwritten_bytes.set(self.unwritten_bytes.get() - bytes);
        if was_pressed && !self.is_pressed() {
            self.relieved.raise();
        }
    }

    pub(super) fn chunk_added(&self, tail: &Weak<Tail>, number: u64, bytes: usize) {
        self.chunks.borrow_mut().push_back((tail.clone(), number));
        self.memory_taken(bytes);
    }

    pub(super) fn memory_taken(&self, bytes: usize) {
        self.cached_bytes.set(self.cached_bytes.get() + bytes);
    }

    pub(super) fn memory_returned(&self, bytes: usize) {
        self.cached_bytes.set(self.cached_bytes.get() - bytes);
    }

    /// Frees the oldest chunks until the cache is within its limit. What is not written yet goes to
    /// the back of the queue.
    pub(super) fn reclaim(&self) {
        let mut left = self.chunks.borrow().len().min(RECLAIM_STEPS);
        while self.cached_bytes.get() > self.reach.kept.get() && left > 0 {
            left -= 1;
            let Some((tail, number)) = self.chunks.borrow_mut().pop_front() else { return };
            let Some(owner) = tail.upgrade() else { continue };
            if !owner.give_back(number) {
                self.chunks.borrow_mut().push_back((tail, number));
            }
        }
    }
}

/// How far back the readers of a core reach, and so how much is kept for them: twice as much, and
/// no more than the limit. What nobody reached for while as much as the limit was appended is let go.
struct Reach {
    limit: usize,
    kept: Cell<usize>,
    /// Since the last look.
    deepest: Cell<u64>,
    next_look: Cell<u64>,
}

impl Reach {
    fn new(limit: usize) -> Reach {
        Reach {
            limit,
            kept: Cell::new(limit),
            deepest: Cell::new(0),
            next_look: Cell::new(limit as u64),
        }
    }

    fn saw(&self, depth: u64) {
        if depth > self.deepest.get() && depth <= self.limit as u64 {
            self.deepest.set(depth);
            self.kept.set(self.kept.get().max(self.wanted()));
        }
    }

    fn passed(&self, appended: u64) {
        if appended >= self.next_look.get() {
            self.next_look.set(appended + self.limit as u64);
            self.kept.set(self.wanted());
            self.deepest.set(0);
        }
    }

    fn wanted(&self) -> usize {
        (self.deepest.get() as usize * 2).max(WARM_BYTES).min(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::{Reach, WARM_BYTES};

    #[test]
    fn keeps_what_readers_reach_for() {
        let limit = 100 * WARM_BYTES;
        let reach = Reach::new(limit);
        assert_eq!(reach.kept.get(), limit, "before anything is known");
        reach.passed(limit as u64 - 1);
        assert_eq!(reach.kept.get(), limit);
        reach.passed(limit as u64);
        assert_eq!(reach.kept.get(), WARM_BYTES, "nobody read");
        reach.saw(10 * WARM_BYTES as u64);
        assert_eq!(reach.kept.get(), 20 * WARM_BYTES, "at once");
        reach.saw(limit as u64 + 1);
        assert_eq!(reach.kept.get(), 20 * WARM_BYTES, "nothing is kept for one who is far behind");
        reach.passed(2 * limit as u64);
        assert_eq!(reach.kept.get(), 20 * WARM_BYTES, "still read");
        reach.saw(90 * WARM_BYTES as u64);
        assert_eq!(reach.kept.get(), limit);
        reach.passed(3 * limit as u64);
        reach.passed(4 * limit as u64);
        assert_eq!(reach.kept.get(), WARM_BYTES, "no longer read");
    }
}
