//! Which part of a log may be cleaned, and whether it is worth it (Kafka: LogCleanerManager,
//! LogToClean). Pure.
//!
//! ```text
//! ├── clean ──┼────── cleanable ──────┼── not yet ──┼ active ┤
//!        first dirty offset     first uncleanable offset
//! ```

use crate::log::settings::Compaction;
use crate::model::Offset;

/// One segment that is not active.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) base_offset: Offset,
    pub(super) bytes: u64,
    /// Largest timestamp, and that of the first batch, in ms; -1 where there is none, or where
    /// nothing asks for it.
    pub(super) max_timestamp: i64,
    pub(super) first_timestamp: i64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) log_start_offset: Offset,
    pub(super) log_end_offset: Offset,
    pub(super) last_stable_offset: Offset,
    /// Where the first segment begins that is not finished.
    pub(super) active_base_offset: Offset,
}

/// What there is to do in one log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filth {
    pub first_dirty_offset: Offset,
    /// Where a segment begins.
    pub first_uncleanable_offset: Offset,
    /// The dirty part of what may be cleaned, 0 to 1.
    pub ratio: f64,
    pub cleanable_bytes: u64,
    /// A record has waited for `max.compaction.lag.ms`.
    pub is_late: bool,
}

impl Filth {
    /// Whether it is worth a cleaning.
    pub(super) fn is_due(&self, compaction: &Compaction) -> bool {
        self.cleanable_bytes > 0
            && (self.is_late || self.ratio > compaction.min_cleanable_dirty_ratio)
    }
}

/// Where cleaning goes on: behind what was cleaned, unless the log is not what it was.
fn first_dirty(cleaned: Offset, bounds: &Bounds) -> Offset {
    let is_known = (bounds.log_start_offset..=bounds.log_end_offset).contains(&cleaned);
    if is_known { cleaned } else { bounds.log_start_offset }
}

/// What of `parts`, in order, may be cleaned; everything below `cleaned` is clean.
pub(super) fn measure(
    parts: &[Part],
    cleaned: Offset,
    bounds: &Bounds,
    compaction: &Compaction,
    now_ms: i64,
) -> Filth {
    let first_dirty_offset = first_dirty(cleaned, bounds);
    let holder =
        |offset: Offset| parts.partition_point(|part| part.base_offset <= offset).saturating_sub(1);
    let dirty = match first_dirty_offset < bounds.active_base_offset {
        true => &parts[holder(first_dirty_offset)..],
        false => &[],
    };
    let youngest_allowed = now_ms.saturating_sub(compaction.min_lag_ms);
    let young = dirty.iter().find(|part| part.max_timestamp > youngest_allowed);
    let young = young.filter(|_| compaction.min_lag_ms > 0).map(|part| part.base_offset);
    let limit = bounds
        .last_stable_offset
        .min(bounds.active_base_offset)
        .min(young.unwrap_or(Offset::MAX))
        .max(first_dirty_offset);
    let first_uncleanable_offset = match limit < bounds.active_base_offset {
        true => parts.get(holder(limit)).map_or(bounds.active_base_offset, |part| part.base_offset),
        false => bounds.active_base_offset,
    };
    let sum = |parts: &[Part]| parts.iter().map(|part| part.bytes).sum::<u64>();
    let until = |offset: Offset| parts.partition_point(|part| part.base_offset < offset);
    let clean_bytes = sum(&parts[..until(first_dirty_offset)]);
    let cleanable_bytes = match first_dirty_offset < first_uncleanable_offset {
        true => sum(&parts[holder(first_dirty_offset)..until(first_uncleanable_offset)]),
        false => 0,
    };
    let total_bytes = clean_bytes + cleanable_bytes;
    let ratio = if total_bytes > 0 { cleanable_bytes as f64 / total_bytes as f64 } else { 0.0 };
    let oldest = dirty.iter().map(|part| part.first_timestamp).filter(|&first| first > 0).min();
    let late_from = now_ms.saturating_sub(compaction.max_lag_ms);
    Filth {
        first_dirty_offset,
        first_uncleanable_offset,
        ratio,
        cleanable_bytes,
        is_late: oldest.is_some_and(|oldest| oldest < late_from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(base_offset: Offset, bytes: u64, first_timestamp: i64, max_timestamp: i64) -> Part {
        Part { base_offset, bytes, max_timestamp, first_timestamp }
    }

    /// Three segments of a hundred bytes; the active one begins at 30.
    fn parts() -> [Part; 3] {
        [part(0, 100, 1000, 1900), part(10, 100, 2000, 2900), part(20, 100, 3000, 3900)]
    }

    const BOUNDS: Bounds = Bounds {
        log_start_offset: 0,
        log_end_offset: 40,
        last_stable_offset: 40,
        active_base_offset: 30,
    };

    const ANY: Compaction = Compaction {
        min_cleanable_dirty_ratio: 0.5,
        min_lag_ms: 0,
        max_lag_ms: i64::MAX,
        delete_retention_ms: 0,
    };

    #[test]
    fn what_may_be_cleaned_lies_between_the_clean_and_the_unsettled() {
        let check = |name: &str, cleaned, bounds: Bounds, lag_ms, expect: (Offset, Offset, u64)| {
            let compaction = Compaction { min_lag_ms: lag_ms, ..ANY };
            let found = measure(&parts(), cleaned, &bounds, &compaction, 5000);
            let found =
                (found.first_dirty_offset, found.first_uncleanable_offset, found.cleanable_bytes);
            assert_eq!(found, expect, "{name}");
        };
        check("never cleaned", 0, BOUNDS, 0, (0, 30, 300));
        check("some is clean", 20, BOUNDS, 0, (20, 30, 100));
        check("all is clean", 30, BOUNDS, 0, (30, 30, 0));
        check("clean up to within", 15, BOUNDS, 0, (15, 30, 200));
        let stable = |last_stable_offset| Bounds { last_stable_offset, ..BOUNDS };
        check("an open transaction", 0, stable(25), 0, (0, 20, 200));
        check("at the edge", 0, stable(20), 0, (0, 20, 200));
        check("nothing is stable", 0, stable(5), 0, (0, 0, 0));
        check("less is stable than was clean", 20, stable(5), 0, (20, 20, 0));
        check("the last one is young", 0, BOUNDS, 2000, (0, 20, 200));
        check("two are young", 0, BOUNDS, 2200, (0, 10, 100));
        check("none is young", 0, BOUNDS, 1000, (0, 30, 300));
        check("the young one is clean", 30, BOUNDS, 9000, (30, 30, 0));
        let begins = |log_start_offset| Bounds { log_start_offset, ..BOUNDS };
        check("deleted beyond", 5, begins(12), 0, (12, 30, 200));
        check("deleted up to the active one", 5, begins(35), 0, (35, 30, 0));
        check("cut below", 99, BOUNDS, 0, (0, 30, 300));
        let none = measure(&[], 0, &Bounds { active_base_offset: 0, ..BOUNDS }, &ANY, 5000);
        assert_eq!((none.cleanable_bytes, none.is_due(&ANY)), (0, false));
    }

    #[test]
    fn a_log_is_due_when_it_is_dirty_or_late() {
        let check = |cleaned, min_ratio, max_lag_ms, expect| {
            let compaction = Compaction { min_cleanable_dirty_ratio: min_ratio, max_lag_ms, ..ANY };
            let found = measure(&parts(), cleaned, &BOUNDS, &compaction, 5000);
            assert_eq!(found.is_due(&compaction), expect, "{cleaned} {min_ratio} {max_lag_ms}");
        };
        check(0, 0.99, i64::MAX, true);
        check(0, 1.0, i64::MAX, false);
        check(20, 0.33, i64::MAX, true);
        check(20, 0.34, i64::MAX, false);
        check(20, 0.34, 1999, true);
        check(20, 0.34, 2000, false);
        check(30, 0.0, 1, false);
    }
}
