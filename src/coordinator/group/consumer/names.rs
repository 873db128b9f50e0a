//! Which topics a group subscribes to, and how often: by members that name them, and by patterns that
//! mean them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    by_name: u32,
    by_pattern: u32,
}

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Name,
    Pattern,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    counts: BTreeMap<Rc<str>, Count>,
    /// Patterns, with the members that subscribe by them.
    patterns: BTreeMap<Rc<str>, u32>,
    /// What came and went since it was last asked.
    shifts: Vec<(Rc<str>, bool)>,
}

impl Names {
    pub fn contains(&self, topic: &str) -> bool {
        self.counts.contains_key(topic)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Rc<str>> {
        self.counts.keys()
    }

    pub fn add(&mut self, topic: &Rc<str>, by: By) {
        let count = match self.counts.entry(topic.clone()) {
            Entry::Vacant(new) => {
                self.shifts.push((topic.clone(), true));
                new.insert(Count::default())
            }
            Entry::Occupied(known) => known.into_mut(),
        };
        match by {
            By::Name => count.by_name += 1,
            By::Pattern => count.by_pattern += 1,
        }
    }

    pub fn remove(&mut self, topic: &Rc<str>, by: By) {
        let Entry::Occupied(mut known) = self.counts.entry(topic.clone()) else { return };
        let count = known.get_mut();
        match by {
            By::Name => count.by_name = count.by_name.saturating_sub(1),
            By::Pattern => count.by_pattern = count.by_pattern.saturating_sub(1),
        }
        if *count == Count::default() {
            known.remove();
            self.shifts.push((topic.clone(), false));
        }
    }

    /// Members that subscribe by this pattern.
    pub fn subscribers(&self, pattern: &str) -> u32 {
        self.patterns.get(pattern).copied().unwrap_or(0)
    }

    pub fn patterns(&self) -> impl Iterator<Item = &Rc<str>> {
        self.patterns.keys()
    }

    pub fn add_pattern(&mut self, pattern: &Rc<str>) {
        if !pattern.is_empty() {
            *self.patterns.entry(pattern.clone()).or_default() += 1;
        }
    }

    pub fn remove_pattern(&mut self, pattern: &Rc<str>) {
        if let Some(count) = self.patterns.get_mut(pattern) {
            *count -= 1;
            if *count == 0 {
                self.patterns.remove(pattern);
            }
        }
    }

    /// Topics that the group has come to subscribe to (true) or no longer does, in order.
    pub fn take_shifts(&mut self) -> Vec<(Rc<str>, bool)> {
        std::mem::take(&mut self.shifts)
    }
}
