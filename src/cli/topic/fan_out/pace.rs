//! How fast records may go: what was sent is paid for with time before the next may be. Pure.

use std::time::Duration;

use crate::base::time::Instant;

/// What goes in one transaction at most; the more, the fewer markers.
const BYTES_MAX: u64 = 8 << 20;
const RECORDS_MAX: u64 = 100_000;
/// Within a limit a transaction is so much of a second, so that the flow is even.
const SHARES: u64 = 4;

#[derive(Clone, Debug, Default)]
pub struct Pace {
    pub bytes_per_s: Option<u64>,
    pub records_per_s: Option<u64>,
    free_at: Instant,
}

impl Pace {
    pub fn new(bytes_per_s: Option<u64>, records_per_s: Option<u64>) -> Pace {
        Pace { bytes_per_s, records_per_s, free_at: Instant::default() }
    }

    /// Bytes and records of one transaction, at most; at least one of each.
    pub fn share(&self) -> (u64, u64) {
        let share = |limit: Option<u64>, most: u64| {
            limit.map_or(most, |limit| (limit / SHARES).clamp(1, most))
        };
        (share(self.bytes_per_s, BYTES_MAX), share(self.records_per_s, RECORDS_MAX))
    }

    /// So much was sent, begun at `now`.
    pub fn sent(&mut self, now: Instant, bytes: u64, records: u64) {
        let time =
            |count: u64, limit: Option<u64>| limit.map_or(0.0, |limit| count as f64 / limit as f64);
        let seconds = time(bytes, self.bytes_per_s).max(time(records, self.records_per_s));
        self.free_at = self.free_at.max(now) + Duration::from_secs_f64(seconds);
    }

    /// How long to wait before anything more is sent.
    pub fn wait(&self, now: Instant) -> Duration {
        self.free_at.since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_paid_for_with_time() {
        let at = |ms: u64| Instant::from_nanos(5_000_000_000 + ms * 1_000_000);
        let mut pace = Pace::new(Some(1000), Some(100));
        assert_eq!((pace.share(), pace.wait(at(0))), ((250, 25), Duration::ZERO));
        pace.sent(at(0), 250, 10);
        assert_eq!(pace.wait(at(0)), Duration::from_millis(250));
        assert_eq!(pace.wait(at(100)), Duration::from_millis(150));
        pace.sent(at(250), 10, 50);
        assert_eq!(pace.wait(at(250)), Duration::from_millis(500));
        // Time that nobody used is not saved up.
        pace.sent(at(9000), 1000, 1);
        assert_eq!(pace.wait(at(9000)), Duration::from_millis(1000));
        assert_eq!(Pace::new(None, None).share(), (8 << 20, 100_000));
        assert_eq!(Pace::new(Some(1), Some(1)).share(), (1, 1));
        let mut free = Pace::new(None, None);
        free.sent(at(0), 1 << 40, 1 << 40);
        assert_eq!(free.wait(at(0)), Duration::ZERO);
    }
}
