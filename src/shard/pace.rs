//! How fast partitions move to other directories (replica.alter.log.dirs.io.max.bytes.per.second). The
//! metadata core keeps one account for the whole host, and whoever copies asks it before each piece: so
//! the limit is neither exceeded by several cores nor divided among them when only one has something to
//! copy.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::message::{Reply, Request};
use super::{METADATA_CORE, Shard};
use crate::base::planted;
use crate::base::time::Instant;
use crate::rt;

/// No limit.
const UNLIMITED: i64 = i64::MAX;

/// Bytes that were taken before their time, as of an instant. Nothing is saved up.
#[derive(Default)]
pub(super) struct Pace {
    owed: Cell<f64>,
    as_of: Cell<Instant>,
}

impl Pace {
    /// Takes so many bytes, of which a second has `rate`, and yields zero; or how long to wait first, and
    /// takes nothing.
    fn take(&self, bytes: u64, rate: i64, now: Instant) -> Duration {
        let passed = now.since(self.as_of.replace(now)).as_secs_f64();
        let owed = (self.owed.get() - passed * rate as f64).max(0.0);
        if rate <= 0 || owed >= 1.0 {
            self.owed.set(owed);
            return Duration::try_from_secs_f64(owed.max(1.0) / rate as f64)
                .unwrap_or(Duration::MAX);
        }
        self.owed.set(owed + bytes as f64);
        Duration::ZERO
    }
}

impl Shard {
    /// How long a copy has to wait before it takes the next piece; with zero it was taken.
    pub(super) async fn wait_to_copy(&self, bytes: u64) -> Duration {
        let rate = self.config().alter_log_dirs_bytes_per_second;
        if rate == UNLIMITED || planted::is("move-at-any-pace") {
            return Duration::ZERO;
        }
        if self.core() == METADATA_CORE {
            return self.pace.take(bytes, rate, rt::now());
        }
        match self.call(METADATA_CORE, Request::Copy { bytes }).await {
            Some(Reply::MayCopy(wait)) => wait,
            // It ends, and so do the moves.
            _ => Duration::ZERO,
        }
    }

    /// On the metadata core, for another one.
    pub(super) fn pace_copy(self: &Rc<Self>, from: usize, call: usize, bytes: u64) {
        let shard = self.clone();
        rt::spawn(async move {
            let wait = shard.wait_to_copy(bytes).await;
            shard.reply(from, call, Reply::MayCopy(wait));
        })
        .detach();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_any_time_no_more_is_taken_than_it_has_and_one_piece() {
        let check = |rate: i64, piece: u64| {
            let pace = Pace::default();
            let (mut now, mut taken, mut asked) = (Instant::from_nanos(5_000_000_000), 0, 0);
            let end = now + Duration::from_secs(100);
            while now < end {
                let wait = pace.take(piece, rate, now);
                asked += 1;
                match wait.is_zero() {
                    true => taken += piece,
                    // Whoever looks more often gets no more.
                    false => now = now + wait.min(Duration::from_millis(200)),
                }
            }
            let (least, most) = (rate as u64 * 99, rate as u64 * 100 + piece);
            assert!((least..=most).contains(&taken), "{rate}, {piece}: {taken} in {asked} pieces");
        };
        check(1_000_000, 1 << 20);
        check(10_000_000, 1 << 20);
        check(1_000, 1 << 10);
        check(1_000_000, 1_000);
    }

    #[test]
    fn a_limit_that_is_raised_or_lowered_holds_for_what_is_owed() {
        let (pace, start) = (Pace::default(), Instant::from_nanos(1_000_000_000));
        assert_eq!(pace.take(1 << 20, 1, start), Duration::ZERO);
        assert!(pace.take(1 << 20, 1, start) > Duration::from_secs(1_000_000));
        let wait = pace.take(1 << 20, 1 << 20, start);
        assert_eq!(wait, Duration::from_secs(1));
        assert_eq!(pace.take(1 << 20, 1 << 20, start + wait), Duration::ZERO);
        assert_eq!(pace.take(1, 0, start + 5 * wait), Duration::MAX, "zero stops it");
    }
}
