//! When each record is due. The schedule knows nothing of the broker: what it holds up stays due when
//! it was.

use crate::clock;
use crate::driver::Nanos;

/// The records of one producer, evenly spaced; the producers of a run are set off against each other.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    start: Nanos,
    /// In nanoseconds, and not whole: a long run must not drift.
    interval: f64,
    offset: f64,
}

impl Schedule {
    /// Of producer `index` of `of`, which send `rate` records a second together. `None` for rate 0:
    /// there is no schedule then.
    pub fn new(start: Nanos, rate: f64, index: usize, of: usize) -> Option<Schedule> {
        if rate <= 0.0 || of == 0 {
            return None;
        }
        let interval = clock::SECOND as f64 * of as f64 / rate;
        Some(Schedule { start, interval, offset: interval * index as f64 / of as f64 })
    }

    pub fn due(&self, record: u64) -> Nanos {
        self.start + (self.offset + self.interval * record as f64) as Nanos
    }

    /// How many records are due before `at`.
    pub fn before(&self, at: Nanos) -> u64 {
        let elapsed = at.saturating_sub(self.start) as f64 - self.offset;
        if elapsed <= 0.0 { 0 } else { (elapsed / self.interval).ceil() as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producers_take_turns_and_nothing_drifts() {
        let of = |index| Schedule::new(1_000, 3000.0, index, 2).expect("a rate");
        assert_eq!(of(0).due(0), 1_000);
        assert_eq!(of(1).due(0), 1_000 + 333_333);
        assert_eq!(of(0).due(1), 1_000 + 666_666);
        assert_eq!(of(0).due(1500 * 3600), 1_000 + 3600 * clock::SECOND);
        assert_eq!(of(0).before(1_000), 0);
        assert_eq!(of(0).before(1_001), 1);
        assert_eq!(of(0).before(1_000 + clock::SECOND), 1500);
        assert!(Schedule::new(0, 0.0, 0, 1).is_none());
    }
}
