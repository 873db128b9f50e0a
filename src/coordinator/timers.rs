//! Deadlines that mostly move away before they come, as those of sessions do with each heartbeat.
//!
//! A heap of promises to look: whoever owns a deadline keeps it and moves it as it likes, without a
//! word here. When the look comes, the owner says whether the time has come or when to look again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::base::time::Instant;

pub struct Timers<K> {
    /// By time, and in the order in which they were asked for.
    heap: BinaryHeap<Reverse<Look<K>>>,
    asked: u64,
}

struct Look<K> {
    at: Instant,
    order: u64,
    key: K,
}

impl<K> PartialEq for Look<K> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<K> Eq for Look<K> {}

impl<K> PartialOrd for Look<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Look<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Timers { heap: BinaryHeap::new(), asked: 0 }
    }
}

impl<K> Timers<K> {
    /// To look at this time at the latest.
    pub fn look_at(&mut self, at: Instant, key: K) {
        self.asked += 1;
        self.heap.push(Reverse(Look { at, order: self.asked, key }));
    }

    /// When the next look is due.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(look)| look.at)
    }

    /// What is to be looked at, and no more after that.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next().is_none_or(|at| at > now) {
            return None;
        }
        self.heap.pop().map(|Reverse(look)| look.key)
    }

    pub fn len(&self) -> usize {
        self.heap.len()
    }

    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

/// A deadline with its owner, and the look that is promised for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadline {
    at: Option<Instant>,
    look: Option<Instant>,
}

impl Deadline {
    /// Moves it; a promise that comes early enough is kept instead of a new one.
    pub fn set<K>(&mut self, at: Instant, timers: &mut Timers<K>, key: impl FnOnce() -> K) {
        self.at = Some(at);
        if self.look.is_none_or(|look| look > at) {
            self.look = Some(at);
            timers.look_at(at, key());
        }
    }

    pub fn clear(&mut self) {
        self.at = None;
    }

    pub fn is_set(&self) -> bool {
        self.at.is_some()
    }

    /// A look has come: whether the time has, and is over with that.
    pub fn has_come<K>(
        &mut self,
        now: Instant,
        timers: &mut Timers<K>,
        key: impl FnOnce() -> K,
    ) -> bool {
        let promised = self.look.is_some_and(|look| look > now);
        match self.at {
            Some(at) if at <= now => {
                *self = Deadline::default();
                true
            }
            Some(at) => {
                if !promised {
                    self.look = Some(at);
                    timers.look_at(at, key());
                }
                false
            }
            None => {
                if !promised {
                    self.look = None;
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_by_time_and_then_in_order() {
        let at = Instant::from_nanos;
        let mut timers = Timers::default();
        for (time, key) in [(5, 'a'), (3, 'b'), (5, 'c'), (9, 'd')] {
            timers.look_at(at(time), key);
        }
        assert_eq!((timers.next(), timers.pop_due(at(2))), (Some(at(3)), None));
        let due: Vec<char> = std::iter::from_fn(|| timers.pop_due(at(5))).collect();
        assert_eq!((due, timers.len()), (vec!['b', 'a', 'c'], 1));
    }

    #[test]
    fn a_deadline_that_moves_away_costs_one_look() {
        let at = Instant::from_nanos;
        let (mut timers, mut deadline) = (Timers::default(), Deadline::default());
        for time in 10..1000 {
            deadline.set(at(time), &mut timers, || ());
        }
        assert_eq!((timers.len(), timers.next()), (1, Some(at(10))));
        assert_eq!(timers.pop_due(at(500)), Some(()));
        assert!(!deadline.has_come(at(500), &mut timers, || ()));
        assert_eq!((timers.len(), timers.next()), (1, Some(at(999))));
        // Earlier than promised: another look, and the old one finds nothing.
        deadline.set(at(600), &mut timers, || ());
        assert_eq!(timers.pop_due(at(600)), Some(()));
        assert!(deadline.has_come(at(600), &mut timers, || ()));
        assert_eq!(timers.pop_due(at(999)), Some(()));
        assert!(!deadline.has_come(at(999), &mut timers, || ()));
        assert!(timers.is_empty() && !deadline.is_set());
    }
}
