//! Which blocks of a file have space on the device.

use std::collections::BTreeMap;

pub(super) const BLOCK: u64 = 4096;

/// Ranges of block numbers that do not touch each other: start to end.
#[derive(Clone, Default)]
pub(super) struct Extents(BTreeMap<u64, u64>);

impl Extents {
    /// The blocks that hold `len` bytes from `pos` on.
    fn blocks(pos: u64, len: u64) -> (u64, u64) {
        (pos / BLOCK, (pos + len).div_ceil(BLOCK))
    }

    /// Blocks of a byte range that have no space yet.
    pub(super) fn missing(&self, pos: u64, len: u64) -> u64 {
        let (start, end) = Self::blocks(pos, len);
        let held: u64 = self
            .0
            .range(..end)
            .map(|(&from, &to)| to.min(end).saturating_sub(from.max(start)))
            .sum();
        end.saturating_sub(start) - held
    }

    /// Gives a byte range space; returns how many blocks that took.
    pub(super) fn take(&mut self, pos: u64, len: u64) -> u64 {
        let taken = self.missing(pos, len);
        let (mut start, mut end) = Self::blocks(pos, len);
        if start < end {
            while let Some((&from, &to)) = self.0.range(..=end).next_back()
                && to >= start
            {
                self.0.remove(&from);
                start = start.min(from);
                end = end.max(to);
            }
            self.0.insert(start, end);
        }
        taken
    }

    /// Gives up everything beyond `len` bytes; returns how many blocks that freed.
    pub(super) fn cut(&mut self, len: u64) -> u64 {
        let keep = len.div_ceil(BLOCK);
        let before = self.count();
        self.0.split_off(&keep);
        if let Some(mut last) = self.0.last_entry() {
            let end = (*last.get()).min(keep);
            last.insert(end);
        }
        before - self.count()
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_merge_and_count_once() {
        let mut extents = Extents::default();
        assert_eq!(extents.take(0, 1), 1);
        assert_eq!(extents.take(8192, 4096), 1);
        assert_eq!(extents.missing(0, 12_288), 1);
        assert_eq!(extents.take(100, 10_000), 1);
        assert_eq!(extents.0.len(), 1);
        assert_eq!(extents.cut(4097), 1);
        assert_eq!(extents.cut(0), 2);
        assert_eq!(extents.take(1 << 40, 1 << 30), 1 << 18);
        assert_eq!(extents.count(), 1 << 18);
    }
}
