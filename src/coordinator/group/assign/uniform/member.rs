//! A member while its share is reckoned, and those who subscribe to the same: counts of partitions,
//! topic by topic.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Member {
    pub class: usize,
    /// Whether it subscribes to anything that is there.
    pub reads: bool,
    /// Partitions of each topic that it had and may keep, and that it shall have.
    pub had: BTreeMap<usize, usize>,
    pub has: BTreeMap<usize, usize>,
    pub load: usize,
}

/// The members of one subscription.
#[derive(Default)]
pub(super) struct Class {
    pub by_load: BTreeSet<(usize, usize)>,
    /// Who has some of each topic.
    pub holders: BTreeMap<usize, BTreeSet<usize>>,
    /// How the search came here: from which class, or the member where it began, and by which topic.
    pub came: (Option<usize>, usize),
    /// The search that came here last.
    pub search: u64,
}

impl Member {
    pub fn take(&mut self, place: usize, count: usize) {
        *self.has.entry(place).or_default() += count;
    }

    /// Tells how many are left.
    pub fn give(&mut self, place: usize, count: usize) -> usize {
        let has = self.has.get_mut(&place).expect("it gives what it has");
        *has -= count;
        let left = *has;
        if left == 0 {
            self.has.remove(&place);
        }
        left
    }

    /// How many of a topic it has beyond those that it had: nothing moves when it gives these.
    pub fn new_of(&self, place: usize) -> usize {
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

    /// The topics that it has, those of which it has new partitions first, in the table's order.
    pub fn gives(&self) -> Vec<usize> {
        let (mut new, kept): (Vec<usize>, Vec<usize>) =
            self.has.keys().copied().partition(|&place| self.new_of(place) > 0);
        new.extend(kept);
        new
    }
}
