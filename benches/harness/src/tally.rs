//! What one thread of the client saw, and the sum of several. A slot is about a second of the
//! measured time; everything that is plotted over time comes from slots.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hdrhistogram::Histogram;

use crate::clock;
use crate::driver::Nanos;
use crate::times;

/// Slots grow longer beyond this many seconds, so that a long run needs no more memory.
const SLOTS: f64 = 300.0;

/// The measured time, and what the threads of a client tell each other.
#[derive(Debug)]
pub struct Window {
    pub begin: AtomicU64,
    pub end: AtomicU64,
    pub stop: AtomicBool,
    /// Since the very beginning.
    pub acknowledged: AtomicU64,
    pub received: AtomicU64,
    /// What the catch-up subscriptions have read.
    pub caught_up: AtomicU64,
    /// Threads with producers that have nothing left to send or to wait for.
    pub finished: AtomicU64,
    slot: Nanos,
}

impl Window {
    /// Not begun. `seconds` is about how long it will be.
    pub fn new(seconds: f64) -> Window {
        Window {
            begin: AtomicU64::new(u64::MAX),
            end: AtomicU64::new(u64::MAX),
            stop: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            received: AtomicU64::new(0),
            caught_up: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            slot: clock::nanos((seconds / SLOTS).ceil().max(1.0)),
        }
    }

    pub fn begin(&self) -> Nanos {
        self.begin.load(Ordering::Relaxed)
    }

    pub fn end(&self) -> Nanos {
        self.end.load(Ordering::Relaxed)
    }

    pub fn holds(&self, at: Nanos) -> bool {
        (self.begin()..self.end()).contains(&at)
    }

    pub fn slot_seconds(&self) -> f64 {
        self.slot as f64 / clock::SECOND as f64
    }

    /// `None` before the beginning.
    fn slot(&self, at: Nanos) -> Option<usize> {
        Some((at.checked_sub(self.begin())? / self.slot) as usize)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub records: u64,
    pub bytes: u64,
    pub wire_bytes: u64,
    pub requests: u64,
}

impl Count {
    pub fn add(&mut self, other: Count) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.wire_bytes += other.wire_bytes;
        self.requests += other.requests;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Produced,
    Consumed,
    CaughtUp,
}

#[derive(Clone, Debug, Default)]
pub struct Slot {
    pub counts: [Count; 3],
    pub produce: Option<Histogram<u32>>,
    pub end_to_end: Option<Histogram<u32>>,
}

#[derive(Debug)]
pub struct EventTally {
    pub count: u64,
    pub errors: u64,
    pub latency: Histogram<u64>,
}

#[derive(Debug)]
pub struct Tally {
    pub slots: Vec<Slot>,
    pub produce: Histogram<u64>,
    pub end_to_end: Histogram<u64>,
    pub fetch: Histogram<u64>,
    /// How late the client was with what it could have sent.
    pub late: Histogram<u64>,
    pub errors: u64,
    pub first_error: Option<String>,
    /// Records that were due and never sent.
    pub unsent: u64,
    pub events: BTreeMap<&'static str, EventTally>,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            slots: Vec::new(),
            produce: times::histogram(),
            end_to_end: times::histogram(),
            fetch: times::histogram(),
            late: times::histogram(),
            errors: 0,
            first_error: None,
            unsent: 0,
            events: BTreeMap::new(),
        }
    }
}

impl Tally {
    pub fn count(&mut self, window: &Window, way: Way, at: Nanos, count: Count) {
        if window.holds(at)
            && let Some(slot) = slot_at(&mut self.slots, window, at)
        {
            slot.counts[way as usize].add(count);
        }
    }

    /// Records that were due then and are acknowledged now.
    pub fn acknowledged(&mut self, window: &Window, dues: impl Iterator<Item = Nanos>, now: Nanos) {
        let (begin, end) = (window.begin(), window.end());
        let Some(slot) = slot_at(&mut self.slots, window, now.min(end.saturating_sub(1))) else {
            return;
        };
        let of_slot = slot.produce.get_or_insert_with(times::histogram);
        for due in dues.filter(|due| (begin..end).contains(due)) {
            let took = now.saturating_sub(due);
            self.produce.saturating_record(took);
            of_slot.saturating_record(took);
        }
    }

    /// A record that was due then has arrived.
    pub fn arrived(&mut self, window: &Window, due: Nanos, now: Nanos) {
        if !window.holds(due) {
            return;
        }
        let took = now.saturating_sub(due);
        self.end_to_end.saturating_record(took);
        let last = window.end().saturating_sub(1);
        if let Some(slot) = slot_at(&mut self.slots, window, now.min(last)) {
            slot.end_to_end.get_or_insert_with(times::histogram).saturating_record(took);
        }
    }

    pub fn event(&mut self, window: &Window, name: &'static str, began: Nanos, now: Nanos) {
        if window.holds(began) {
            let event = self.events.entry(name).or_insert_with(EventTally::new);
            event.count += 1;
            event.latency.saturating_record(now.saturating_sub(began));
        }
    }

    pub fn event_failed(&mut self, name: &'static str, error: impl Into<String>) {
        self.events.entry(name).or_insert_with(EventTally::new).errors += 1;
        self.first_error.get_or_insert_with(|| error.into());
    }

    pub fn failed(&mut self, records: u64, error: impl Into<String>) {
        self.errors += records;
        self.first_error.get_or_insert_with(|| error.into());
    }

    pub fn merge(&mut self, other: Tally) {
        if self.slots.len() < other.slots.len() {
            self.slots.resize_with(other.slots.len(), Slot::default);
        }
        for (slot, theirs) in self.slots.iter_mut().zip(other.slots) {
            for (count, theirs) in slot.counts.iter_mut().zip(theirs.counts) {
                count.add(theirs);
            }
            add(&mut slot.produce, theirs.produce);
            add(&mut slot.end_to_end, theirs.end_to_end);
        }
        let pairs = [
            (&mut self.produce, other.produce),
            (&mut self.end_to_end, other.end_to_end),
            (&mut self.fetch, other.fetch),
            (&mut self.late, other.late),
        ];
        for (mine, theirs) in pairs {
            mine.add(theirs).expect("the same bounds");
        }
        self.errors += other.errors;
        self.unsent += other.unsent;
        self.first_error = self.first_error.take().or(other.first_error);
        for (name, theirs) in other.events {
            let mine = self.events.entry(name).or_insert_with(EventTally::new);
            mine.count += theirs.count;
            mine.errors += theirs.errors;
            mine.latency.add(theirs.latency).expect("the same bounds");
        }
    }

    pub fn total(&self, way: Way) -> Count {
        let mut total = Count::default();
        self.slots.iter().for_each(|slot| total.add(slot.counts[way as usize]));
        total
    }
}

impl EventTally {
    fn new() -> EventTally {
        EventTally { count: 0, errors: 0, latency: times::histogram() }
    }
}

fn slot_at<'a>(slots: &'a mut Vec<Slot>, window: &Window, at: Nanos) -> Option<&'a mut Slot> {
    let index = window.slot(at)?;
    if index >= slots.len() {
        slots.resize_with(index + 1, Slot::default);
    }
    slots.get_mut(index)
}

fn add(mine: &mut Option<Histogram<u32>>, theirs: Option<Histogram<u32>>) {
    match (mine.as_mut(), theirs) {
        (Some(mine), Some(theirs)) => mine.add(theirs).expect("the same bounds"),
        (None, theirs) => *mine = theirs,
        (Some(_), None) => {}
    }
}
