//! What will happen, by virtual time: timers, completions, deliveries.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::task::Waker;

pub(super) enum Event {
    Wake(Waker),
    Act(Box<dyn FnOnce()>),
}

/// When, and in which order among equals.
pub(super) type Key = (u64, u64);

#[derive(Default)]
pub(super) struct Agenda {
    events: RefCell<BTreeMap<Key, Event>>,
    next: Cell<u64>,
}

impl Agenda {
    pub(super) fn add(&self, at: u64, event: Event) -> Key {
        let key = (at, self.next.replace(self.next.get() + 1));
        self.events.borrow_mut().insert(key, event);
        key
    }

    pub(super) fn cancel(&self, key: Key) {
        let cancelled = self.events.borrow_mut().remove(&key);
        drop(cancelled);
    }

    /// Gives an event that is still to come another waker.
    pub(super) fn rewake(&self, key: Key, waker: &Waker) {
        if let Some(Event::Wake(old)) = self.events.borrow_mut().get_mut(&key) {
            old.clone_from(waker);
        }
    }

    /// When the next event is due; one at the end of time never is.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.events.borrow().keys().next().map(|key| key.0).filter(|at| *at != u64::MAX)
    }

    pub(super) fn take_due(&self, now: u64) -> Option<(Key, Event)> {
        let mut events = self.events.borrow_mut();
        let entry = events.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove_entry())
    }

    pub(super) fn clear(&self) {
        let events = self.events.take();
        drop(events);
    }
}
