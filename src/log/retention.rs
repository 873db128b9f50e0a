//! Which segments have had their time (Kafka: `retention.ms`, `retention.bytes`). The decision is
//! pure; performing it is a [`Log::delete_before`].
//!
//! Age is judged by a clock that does not jump ahead: the wall clock of when the core began, moved on
//! by the monotonic one, or the wall clock where that is earlier.

use std::rc::Rc;

use super::Log;
use super::error::Error;
use super::segment::Segment;
use super::settings::LogSettings;
use crate::base::planted;
use crate::model::Offset;

/// One segment, as retention sees it.
#[derive(Clone, Copy, Debug)]
struct Part {
    end_offset: Offset,
    bytes: u64,
    /// Largest timestamp in ms; -1 where no record has one.
    max_timestamp: i64,
}

/// Where the log should begin: behind the longest run of oldest segments that are all too old, or
/// whose loss still leaves `retention.bytes`. `parts` are in order; nothing at or above the high
/// watermark goes.
fn new_start(
    start: Offset,
    parts: &[Part],
    settings: &LogSettings,
    now_ms: i64,
    high_watermark: Offset,
) -> Offset {
    let mut start = start;
    let mut takes_one_more = planted::is("retain-one-segment-less");
    let mut left: u64 = parts.iter().map(|part| part.bytes).sum();
    for part in parts {
        let is_old = settings.retention_ms >= 0
            && part.max_timestamp >= 0
            && now_ms.saturating_sub(part.max_timestamp) > settings.retention_ms;
        let is_too_much = u64::try_from(settings.retention_bytes)
            .is_ok_and(|most| left.saturating_sub(part.bytes) >= most);
        let stays = !(is_old || is_too_much);
        if part.end_offset > high_watermark || (stays && !takes_one_more) {
            break;
        }
        takes_one_more &= !stays;
        left -= part.bytes;
        start = start.max(part.end_offset);
    }
    start
}

impl Log {
    /// Removes what has had its time. An active segment that has is rolled, so that it goes with a
    /// later call; one that is merely too much stays.
    pub async fn retain(&self) -> Result<(), Error> {
        let settings = self.settings.get();
        if settings.retention_ms < 0 && settings.retention_bytes < 0 {
            return Ok(());
        }
        let segments = self.segments.borrow().clone();
        for segment in &segments {
            let learnt = segment.learn_timestamps().await;
            if learnt.is_err() && !self.consists_of(std::slice::from_ref(segment)) {
                // Somebody else was faster; the next look sees what is left.
                return Ok(());
            }
            learnt?;
        }
        if !self.consists_of(&segments) {
            // What was cleaned or removed meanwhile counts for less.
            return Ok(());
        }
        let part = |segment: &Rc<Segment>| Part {
            end_offset: segment.end_offset.get(),
            bytes: segment.len.get(),
            max_timestamp: segment.max_timestamp.get(),
        };
        let mut parts: Vec<Part> = segments.iter().map(part).collect();
        let now_ms = self.budget.steady_ms();
        let high_watermark = self.high_watermark.get();
        let active = parts.pop().expect("a log has an active segment");
        let by_age = LogSettings { retention_bytes: -1, ..settings };
        let is_spent = new_start(-1, &[active], &by_age, now_ms, high_watermark) >= 0;
        if active.bytes > 0 && is_spent {
            self.roll(now_ms);
        }
        let start = self.log_start_offset.get();
        parts.push(Part { end_offset: Offset::MAX, ..active });
        self.delete_before(new_start(start, &parts, &settings, now_ms, high_watermark)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(end_offset: Offset, bytes: u64, max_timestamp: i64) -> Part {
        Part { end_offset, bytes, max_timestamp }
    }

    #[test]
    fn age_and_size_take_the_oldest_and_never_what_is_not_replicated() {
        let parts = [part(10, 100, 1_000), part(20, 100, 5_000), part(Offset::MAX, 50, 6_000)];
        let check = |ms, bytes, now_ms, high_watermark, expected| {
            let settings =
                LogSettings { retention_ms: ms, retention_bytes: bytes, ..LogSettings::default() };
            let start = new_start(0, &parts, &settings, now_ms, high_watermark);
            assert_eq!(start, expected, "{ms} ms, {bytes} bytes, now {now_ms}");
        };
        check(1_000, -1, 2_000, 25, 0);
        check(1_000, -1, 2_001, 25, 10);
        check(1_000, -1, 99_000, 25, 20);
        check(1_000, -1, 99_000, 15, 10);
        check(-1, 250, 99_000, 25, 0);
        check(-1, 150, 99_000, 25, 10);
        check(-1, 149, 99_000, 25, 10);
        check(-1, 50, 99_000, 25, 20);
        check(-1, 0, 99_000, 25, 20);
        check(-1, -1, 99_000, 25, 0);
    }

    #[test]
    fn records_without_a_time_do_not_age() {
        let parts = [part(10, 100, -1), part(Offset::MAX, 100, 5)];
        let settings = LogSettings { retention_ms: 1, ..LogSettings::default() };
        assert_eq!(new_start(0, &parts, &settings, i64::MAX, 25), 0);
    }
}
