//! What readers of old data leave in the page cache of one file, and what of it can go. The file is
//! looked at in granules. A granule that was empty when a reader came near it is *borrowed*: what is
//! in it afterwards, that reader brought. It goes when the last reader has passed: not while another is
//! close behind, and never when something of it was cached before.

use std::ops::Range;
use std::time::Duration;

use crate::base::time::Instant;

/// What is dropped at once: the page cache drops only what lies inside as a whole, and may hold a file
/// in folios of 2 MiB.
pub(super) const GRANULE: u64 = 4 << 20;
/// Readers closer than this share what the one ahead brings.
pub(super) const NEAR: u64 = 64 << 20;
/// Who has not moved for so long is no reader any more.
const STALE: Duration = Duration::from_secs(2);
/// Readers of one file that are known by name; the one that moved least recently gives way.
const READERS_MAX: usize = 32;

struct Reader {
    id: u64,
    at: u64,
    moved: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Granule {
    Unknown,
    Borrowed,
    /// Something of it was cached before, or nobody can tell.
    Kept,
}

#[derive(Default)]
pub(super) struct Trail {
    readers: Vec<Reader>,
    granules: Vec<Granule>,
    /// No granule before this one is borrowed.
    first: usize,
}

impl Trail {
    /// A reader is at `at`. `ahead`: how far beyond it the kernel may read; `is_empty` tells whether
    /// nothing of a range is cached. True when another reader is near.
    pub(super) fn comes(
        &mut self,
        id: u64,
        at: u64,
        ahead: u64,
        now: Instant,
        mut is_empty: impl FnMut(Range<u64>) -> bool,
    ) -> bool {
        self.readers.retain(|reader| now.since(reader.moved) < STALE && reader.id != id);
        if self.readers.len() == READERS_MAX {
            let oldest = self.readers.iter().enumerate().min_by_key(|(_, reader)| reader.moved);
            let oldest = oldest.map_or(0, |(place, _)| place);
            self.readers.swap_remove(oldest);
        }
        let in_company = self.readers.iter().any(|reader| reader.at.abs_diff(at) < NEAR);
        self.readers.push(Reader { id, at, moved: now });
        let (from, to) =
            ((at / GRANULE) as usize, (at.saturating_add(ahead) / GRANULE) as usize + 1);
        if self.granules.len() < to {
            self.granules.resize(to, Granule::Unknown);
        }
        for number in from..to {
            if self.granules[number] == Granule::Unknown {
                let empty = is_empty(range(number..number + 1));
                self.granules[number] = if empty { Granule::Borrowed } else { Granule::Kept };
                if empty {
                    self.first = self.first.min(number);
                }
            }
        }
        in_company
    }

    /// The reader is at `at` and needs nothing before `behind` any more: yields what can be dropped.
    /// There may be more of it, which the next call yields.
    pub(super) fn passed(
        &mut self,
        id: u64,
        at: u64,
        behind: u64,
        now: Instant,
    ) -> Option<Range<u64>> {
        let own = self.readers.iter_mut().find(|reader| reader.id == id)?;
        (own.at, own.moved) = (at, now);
        let end = ((behind / GRANULE) as usize).min(self.granules.len());
        let start = (self.first..end).find(|&granule| self.can_go(granule, id, now));
        let behind = start.map(|start| {
            let last = (start..end).take_while(|&granule| self.can_go(granule, id, now)).last();
            start..last.map_or(start, |last| last + 1)
        });
        // Looked at anew by whoever comes next.
        self.granules[behind.clone().unwrap_or(0..0)].fill(Granule::Unknown);
        while self.first < end && self.granules[self.first] != Granule::Borrowed {
            self.granules[self.first] = Granule::Unknown;
            self.first += 1;
        }
        behind.map(range)
    }

    /// How far what is cached from `at` on is there because readers came; `at` itself if it is not.
    pub(super) fn borrowed_to(&self, at: u64) -> u64 {
        let first = (at / GRANULE) as usize;
        let rest = self.granules.get(first..).unwrap_or_default();
        match rest.iter().take_while(|&&granule| granule == Granule::Borrowed).count() {
            0 => at,
            count => (first + count) as u64 * GRANULE,
        }
    }

    /// Where the reader that is furthest ahead is.
    pub(super) fn front(&self) -> u64 {
        self.readers.iter().map(|reader| reader.at).max().unwrap_or(0)
    }

    /// Whether it was borrowed, and nobody else is about to read it.
    fn can_go(&self, granule: usize, id: u64, now: Instant) -> bool {
        let Range { start, end } = range(granule..granule + 1);
        self.granules[granule] == Granule::Borrowed
            && !self.readers.iter().any(|reader| {
                let is_other = reader.id != id && now.since(reader.moved) < STALE;
                is_other && reader.at < end && start < reader.at + NEAR
            })
    }
}

fn range(granules: Range<usize>) -> Range<u64> {
    granules.start as u64 * GRANULE..granules.end as u64 * GRANULE
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{GRANULE, NEAR, STALE, Trail};
    use crate::base::time::Instant;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    /// One step of a reader: comes to `from`, passes `to`, both in granules.
    fn step(
        trail: &mut Trail,
        id: u64,
        from: u64,
        to: u64,
        ms: u64,
    ) -> Option<std::ops::Range<u64>> {
        trail
            .comes(id, from * GRANULE, ((to - from) * GRANULE).saturating_sub(1), at(ms), |_| true);
        let dropped = trail.passed(id, to * GRANULE, to * GRANULE, at(ms));
        dropped.map(|range| range.start / GRANULE..range.end / GRANULE)
    }

    #[test]
    fn what_one_reader_brought_goes_behind_it() {
        let mut trail = Trail::default();
        assert_eq!(step(&mut trail, 1, 0, 1, 0), Some(0..1));
        assert_eq!(step(&mut trail, 1, 1, 3, 1), Some(1..3));
        assert_eq!(step(&mut trail, 1, 3, 3, 2), None, "none of it is read");
        assert_eq!(step(&mut trail, 2, 0, 1, 10_000), Some(0..1), "again for the next one");
    }

    #[test]
    fn what_was_cached_before_stays() {
        let mut trail = Trail::default();
        trail.comes(1, 0, 4 * GRANULE - 1, at(0), |range| range.start != GRANULE);
        assert_eq!(trail.passed(1, 2 * GRANULE, 2 * GRANULE, at(0)), Some(0..GRANULE));
        assert_eq!(
            trail.passed(1, 4 * GRANULE, 4 * GRANULE, at(0)),
            Some(2 * GRANULE..4 * GRANULE)
        );
        assert_eq!(trail.passed(1, 4 * GRANULE, 4 * GRANULE, at(0)), None);
    }

    #[test]
    fn what_was_brought_ends_where_something_was_cached_before() {
        let mut trail = Trail::default();
        trail.comes(1, 0, 3 * GRANULE - 1, at(0), |range| range.start != 2 * GRANULE);
        assert_eq!(trail.front(), 0);
        assert_eq!(trail.borrowed_to(GRANULE / 2), 2 * GRANULE);
        assert_eq!(trail.borrowed_to(2 * GRANULE + 1), 2 * GRANULE + 1);
        assert_eq!(trail.borrowed_to(9 * GRANULE), 9 * GRANULE, "nobody came there");
    }

    #[test]
    fn the_last_of_near_readers_takes_the_rest_along() {
        let mut trail = Trail::default();
        assert!(!trail.comes(1, 0, 0, at(0), |_| true));
        assert!(trail.comes(2, 0, 0, at(0), |_| true), "another one is near");
        assert_eq!(step(&mut trail, 1, 0, 5, 1), None, "the second one is behind");
        assert_eq!(step(&mut trail, 2, 0, 2, 2), Some(0..2));
        assert_eq!(step(&mut trail, 2, 2, 5, 3), Some(2..5));
    }

    #[test]
    fn who_stopped_reading_keeps_nothing_for_himself() {
        let mut trail = Trail::default();
        trail.comes(2, 0, 0, at(0), |_| true);
        assert_eq!(step(&mut trail, 1, 0, 5, 1), None);
        let later = 2 + STALE.as_millis() as u64;
        assert_eq!(step(&mut trail, 1, 5, 6, later), Some(0..6));
    }

    #[test]
    fn who_is_far_behind_reads_for_himself() {
        let mut trail = Trail::default();
        let far = NEAR / GRANULE;
        trail.comes(2, 0, 0, at(0), |_| true);
        assert!(!trail.comes(1, far * GRANULE, 0, at(0), |_| true), "far away");
        assert_eq!(step(&mut trail, 1, far, far + 1, 1), Some(far..far + 1), "not where he is");
        assert_eq!(step(&mut trail, 2, 0, 1, 2), Some(0..1));
    }

    #[test]
    fn knows_a_bounded_number_of_readers() {
        let mut trail = Trail::default();
        for id in 0..1000 {
            trail.comes(id, id * NEAR, 0, at(0) + Duration::from_nanos(id), |_| false);
        }
        assert_eq!(trail.readers.len(), super::READERS_MAX);
    }
}
