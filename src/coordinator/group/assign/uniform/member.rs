//! A member while its share is reckoned: counts of partitions, topic by topic.

use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Member {
    /// Partitions of each topic that it had and may keep, and that it shall have.
    pub had: BTreeMap<usize, usize>,
    pub has: BTreeMap<usize, usize>,
    pub load: usize,
    /// How the search came here: from whom, by which topic.
    pub came: (usize, usize),
    /// The search that came here last.
    pub search: u64,
}

impl Member {
    pub fn take(&mut self, place: usize, count: usize) {
        *self.has.entry(place).or_default() += count;
    }

    pub fn give(&mut self, place: usize, count: usize) {
        let has = self.has.get_mut(&place).expect("it gives what it has");
        *has -= count;
        if *has == 0 {
            self.has.remove(&place);
        }
    }

    /// How many of a topic it has beyond those that it had: nothing moves when it gives these.
    fn new_of(&self, place: usize) -> usize {
        let count = |counts: &BTreeMap<usize, usize>| counts.get(&place).copied().unwrap_or(0);
        count(&self.has).saturating_sub(count(&self.had))
    }

    /// How many of a topic it can give that are alike: the new ones, and without such, all.
    pub fn can_give(&self, place: usize) -> usize {
        match self.new_of(place) {
            0 => self.has.get(&place).copied().unwrap_or(0),
            new => new,
        }
    }

    /// The topics that it has, those of which it has new partitions first.
    pub fn gives(&self) -> Vec<usize> {
        let (mut new, kept): (Vec<usize>, Vec<usize>) =
            self.has.keys().copied().partition(|&place| self.new_of(place) > 0);
        new.extend(kept);
        new
    }
}
