//! Leader epochs and where each began, and the file that keeps them: `leader-epoch-checkpoint`.
//! One table a partition, owned by its core. Pure.
//!
//! ```text
//! 0          version
//! 2          number of lines that follow
//! 0 0        epoch, first offset of that epoch
//! 7 1045     both columns rise
//! ```

use crate::model::{LeaderEpoch, Offset};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub epoch: LeaderEpoch,
    pub start_offset: Offset,
}

/// Rising in both columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epochs(Vec<Entry>);

impl Epochs {
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    pub fn latest(&self) -> Option<Entry> {
        self.0.last().copied()
    }

    /// A record of `epoch` was appended at `offset`. True when the table changed. Entries that
    /// the new one contradicts are dropped (a follower that was cut back).
    pub fn assign(&mut self, epoch: LeaderEpoch, offset: Offset) -> bool {
        if epoch < LeaderEpoch(0) || self.latest().is_some_and(|last| last.epoch == epoch) {
            return false;
        }
        while let Some(last) = self.latest() {
            if last.epoch < epoch && last.start_offset < offset {
                break;
            }
            self.0.pop();
        }
        self.0.push(Entry { epoch, start_offset: offset });
        true
    }

    /// The largest epoch not above `epoch`, and where it ended; `log_end_offset` ends the latest.
    /// `None` when every epoch known is above (OffsetForLeaderEpoch answers -1, -1).
    pub fn end_offset(
        &self,
        epoch: LeaderEpoch,
        log_end_offset: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        let after = self.0.partition_point(|entry| entry.epoch <= epoch);
        let found = self.0.get(after.checked_sub(1)?)?;
        let end = self.0.get(after).map_or(log_end_offset, |next| next.start_offset);
        Some((found.epoch, end))
    }

    /// The epoch under which the record at `offset` was appended.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.0.partition_point(|entry| entry.start_offset <= offset);
        Some(self.0.get(after.checked_sub(1)?)?.epoch)
    }

    /// The log was cut: nothing at or behind `end_offset` is left.
    pub fn truncate_end(&mut self, end_offset: Offset) -> bool {
        let before = self.0.len();
        self.0.retain(|entry| entry.start_offset < end_offset);
        self.0.len() != before
    }

    /// Records below `start_offset` are gone; the epoch of the first that is left is kept, from
    /// there on.
    pub fn truncate_start(&mut self, start_offset: Offset) -> bool {
        let after = self.0.partition_point(|entry| entry.start_offset <= start_offset);
        let Some(kept) = after.checked_sub(1) else { return false };
        let changed = kept > 0 || self.0[kept].start_offset != start_offset;
        self.0.drain(..kept);
        self.0[0].start_offset = start_offset;
        changed
    }

    pub fn encode(&self) -> String {
        let mut text = format!("0\n{}\n", self.0.len());
        for entry in &self.0 {
            text.push_str(&format!("{} {}\n", entry.epoch, entry.start_offset));
        }
        text
    }

    /// `None` when the text is not such a file.
    pub fn decode(text: &str) -> Option<Epochs> {
        let mut lines = text.lines();
        if lines.next()? != "0" {
            return None;
        }
        let count: usize = lines.next()?.parse().ok()?;
        let mut entries: Vec<Entry> = Vec::new();
        for line in lines {
            let (epoch, offset) = line.split_once(' ')?;
            let entry = Entry {
                epoch: LeaderEpoch(epoch.parse().ok()?),
                start_offset: offset.parse().ok()?,
            };
            if entries.last().is_some_and(|last| {
                entry.epoch <= last.epoch || entry.start_offset <= last.start_offset
            }) {
                return None;
            }
            entries.push(entry);
        }
        (entries.len() == count).then_some(Epochs(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prng::Prng;

    /// Compared with a list that has the epoch of every single offset.
    #[test]
    fn answers_agree_with_a_plain_list() {
        for seed in 0..200 {
            let mut prng = Prng::new(seed);
            let mut epochs = Epochs::default();
            let mut plain: Vec<LeaderEpoch> = Vec::new();
            let mut start = 0usize;
            let mut epoch = LeaderEpoch(prng.below(3) as i32);
            for _ in 0..40 {
                match prng.below(6) {
                    0 => epoch = LeaderEpoch(epoch.0 + 1 + prng.below(3) as i32),
                    1 if plain.len() > start => {
                        let keep = start + prng.below((plain.len() - start) as u64) as usize;
                        plain.truncate(keep);
                        epochs.truncate_end(keep as i64);
                    }
                    2 if plain.len() > start => {
                        start += prng.below((plain.len() - start) as u64) as usize;
                        epochs.truncate_start(start as i64);
                    }
                    _ => {
                        for _ in 0..=prng.below(4) {
                            epochs.assign(epoch, plain.len() as i64);
                            plain.push(epoch);
                        }
                    }
                }
                for (offset, of) in plain.iter().enumerate().skip(start) {
                    assert_eq!(epochs.epoch_of(offset as i64), Some(*of), "seed {seed}");
                }
                for asked in 0..epoch.0 + 2 {
                    let found = plain[start..].iter().filter(|of| of.0 <= asked).max();
                    let expected = found.map(|found| {
                        let last = plain.iter().rposition(|of| of == found);
                        (*found, last.map_or(0, |last| last as i64 + 1))
                    });
                    let answer = epochs.end_offset(LeaderEpoch(asked), plain.len() as i64);
                    if plain.len() > start {
                        assert_eq!(answer, expected, "seed {seed} epoch {asked}");
                    }
                }
                assert_eq!(Epochs::decode(&epochs.encode()), Some(epochs.clone()));
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        assert_eq!(Epochs::decode("0\n0\n"), Some(Epochs::default()));
        for text in ["", "1\n0\n", "0\n1\n", "0\n0\n0 0\n", "0\n2\n1 0\n1 5\n", "0\n1\nx 0\n"] {
            assert_eq!(Epochs::decode(text), None, "{text:?}");
        }
    }
}
