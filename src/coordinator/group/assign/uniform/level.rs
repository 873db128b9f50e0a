//! Levels loads: searches for ways by which partitions can be passed on, and passes them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::Table;
use crate::base::planted;
use crate::config::limits::ASSIGNMENT_STEPS_MAX;

/// The number of no search: whoever has it needs no looking at any more.
const DONE: u64 = u64::MAX;

impl Table<'_> {
    /// Levels the loads of those who read anything, from the fullest member down.
    pub(super) fn level(&mut self) {
        let readers = self.topics.iter().flat_map(|topic| topic.subscribers.iter().copied());
        let readers: BTreeSet<usize> = readers.collect();
        let loads = readers.into_iter().map(|at| (self.members[at].load, at));
        let mut by_load: BTreeSet<(usize, usize)> = loads.collect();
        let mut total: usize = by_load.iter().map(|(load, _)| load).sum();
        while let (Some(&(least, _)), Some(&(most, from))) = (by_load.first(), by_load.last()) {
            if most - least < 2 || self.steps >= ASSIGNMENT_STEPS_MAX {
                break;
            }
            let even = total / by_load.len()..=total.div_ceil(by_load.len());
            match self.way_from(from, *even.start()) {
                Ok(to) => {
                    by_load.remove(&(most, from));
                    by_load.remove(&(self.members[to].load, to));
                    self.give(from, to, even);
                    by_load.insert((self.members[from].load, from));
                    by_load.insert((self.members[to].load, to));
                }
                Err(reached) => {
                    // Nor does a way lead on from any of these, now or later: all that they reach is
                    // among them, and has at most one partition fewer than the fullest of all.
                    for at in reached {
                        let member = &mut self.members[at];
                        member.search = DONE;
                        by_load.remove(&(member.load, at));
                        total -= member.load;
                    }
                }
            }
        }
    }

    /// The end of the shortest way from a member to one that has at least two fewer, or everybody
    /// who can be reached. Of several, one below the average, which is sure to need more, is as good
    /// as the emptiest.
    fn way_from(&mut self, from: usize, average: usize) -> Result<usize, Vec<usize>> {
        self.search += 1;
        let enough = self.members[from].load - 2;
        self.members[from].search = self.search;
        let mut reached = vec![from];
        let mut looked = 0;
        while looked < reached.len() {
            let mut best: Option<(usize, usize)> = None;
            for nth in std::mem::replace(&mut looked, reached.len())..reached.len() {
                let giver = reached[nth];
                for place in self.members[giver].gives() {
                    let topic = &mut self.topics[place];
                    self.steps += 1;
                    if std::mem::replace(&mut topic.search, self.search) == self.search {
                        continue;
                    }
                    for &at in &topic.subscribers {
                        self.steps += 1;
                        let member = &mut self.members[at];
                        if member.search >= self.search {
                            continue;
                        }
                        member.search = self.search;
                        member.came = (giver, place);
                        if member.load <= enough && member.load < average {
                            return Ok(at);
                        }
                        if member.load <= enough {
                            let this = (member.load, at);
                            best = Some(best.map_or(this, |best| best.min(this)));
                        }
                        reached.push(at);
                    }
                }
            }
            if let Some((_, at)) = best {
                return Ok(at);
            }
            if planted::is("level-straight-on-alone") {
                break;
            }
        }
        Err(reached)
    }

    /// Passes partitions on along the way that was found: as many at once as surely have to go.
    fn give(&mut self, from: usize, to: usize, even: RangeInclusive<usize>) {
        let (most, least) = (self.members[from].load, self.members[to].load);
        let mut way = Vec::new();
        let mut at = to;
        while at != from {
            let (giver, place) = self.members[at].came;
            way.push((giver, place, at));
            at = giver;
        }
        let widths = way.iter().map(|&(giver, place, _)| self.members[giver].can_give(place));
        let width = widths.min().expect("two members have a way between them");
        let surplus = most.saturating_sub(*even.end()).min(even.start().saturating_sub(least));
        let count = surplus.min((most - least) / 2).min(width).max(1);
        for (giver, place, taker) in way {
            self.members[giver].give(place, count);
            self.members[taker].take(place, count);
        }
        self.members[from].load -= count;
        self.members[to].load += count;
    }
}
