//! Levels loads: searches for ways by which partitions can be passed on, and passes them.
//!
//! Members who subscribe to the same are looked at as one, for whoever can give to one of them can
//! give to each: a search takes as long as there are kinds of subscriptions, however many members.

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
        let mut by_load: BTreeSet<(usize, usize)> = BTreeSet::new();
        for (at, member) in self.members.iter().enumerate().filter(|(_, member)| member.reads) {
            by_load.insert((member.load, at));
            let class = &mut self.classes[member.class];
            class.by_load.insert((member.load, at));
            for place in member.has.keys() {
                class.holders.entry(*place).or_default().insert(at);
            }
        }
        let mut total: usize = by_load.iter().map(|(load, _)| load).sum();
        while let (Some(&(least, _)), Some(&(most, from))) = (by_load.first(), by_load.last()) {
            if most - least < 2 || self.steps >= ASSIGNMENT_STEPS_MAX {
                break;
            }
            let even = total / by_load.len()..=total.div_ceil(by_load.len());
            match self.way_from(from, *even.start()) {
                Ok(to) => {
                    let least = self.members[to].load;
                    let count = self.pass_on(from, to, even);
                    for (at, before, after) in
                        [(from, most, most - count), (to, least, least + count)]
                    {
                        self.members[at].load = after;
                        let class = &mut self.classes[self.members[at].class];
                        for order in [&mut class.by_load, &mut by_load] {
                            order.remove(&(before, at));
                            order.insert((after, at));
                        }
                    }
                }
                Err(reached) => {
                    // Nor does a way lead on from any of these, now or later: all that they reach is
                    // among them, and has at most one partition fewer than the fullest of all.
                    for class in reached {
                        let class = &mut self.classes[class];
                        class.search = DONE;
                        for member in &class.by_load {
                            by_load.remove(member);
                            total -= member.0;
                        }
                    }
                }
            }
        }
    }

    /// The end of the shortest way from a member to one that has at least two fewer, or every class
    /// that can be reached, its own among them. Of several ends, one below the average, which is
    /// sure to need more, is as good as the emptiest.
    fn way_from(&mut self, from: usize, average: usize) -> Result<usize, Vec<usize>> {
        self.search += 1;
        let enough = self.members[from].load - 2;
        let mut reached = Vec::new();
        let mut layer = vec![None];
        while !layer.is_empty() {
            let mut best: Option<(usize, usize)> = None;
            let first = reached.len();
            for by in layer {
                let places = match by {
                    None => self.members[from].gives(),
                    Some(class) => self.held_by(class),
                };
                for place in places {
                    let topic = &mut self.topics[place];
                    self.steps += 1;
                    if std::mem::replace(&mut topic.search, self.search) == self.search {
                        continue;
                    }
                    for &at in &topic.classes {
                        self.steps += 1;
                        let class = &mut self.classes[at];
                        if class.search >= self.search {
                            continue;
                        }
                        class.search = self.search;
                        class.came = (by, place);
                        reached.push(at);
                        let emptiest = class.by_load.first().filter(|(load, _)| *load <= enough);
                        if let Some(&(_, member)) = emptiest.filter(|(load, _)| *load < average) {
                            return Ok(member);
                        }
                        best = best.into_iter().chain(emptiest.copied()).min();
                    }
                }
            }
            if let Some((_, at)) = best {
                return Ok(at);
            }
            if planted::is("level-straight-on-alone") {
                break;
            }
            layer = reached[first..].iter().copied().map(Some).collect();
        }
        Err(reached)
    }

    /// Passes partitions on along the way that was found, as many at once as surely have to go, and
    /// tells how many.
    fn pass_on(&mut self, from: usize, to: usize, even: RangeInclusive<usize>) -> usize {
        let (most, least) = (self.members[from].load, self.members[to].load);
        let mut way = Vec::new();
        let mut taker = to;
        while let (Some(class), place) = self.classes[self.members[taker].class].came {
            let giver = self.giver_of(class, place);
            way.push((giver, place, taker));
            taker = giver;
        }
        way.push((from, self.classes[self.members[taker].class].came.1, taker));
        let widths = way.iter().map(|&(giver, place, _)| self.members[giver].can_give(place));
        let width = widths.min().expect("two members have a way between them");
        let surplus = most.saturating_sub(*even.end()).min(even.start().saturating_sub(least));
        let count = surplus.min((most - least) / 2).min(width).max(1);
        for (giver, place, taker) in way {
            if self.members[giver].give(place, count) == 0 {
                self.holders(giver, place).remove(&giver);
            }
            self.members[taker].take(place, count);
            self.holders(taker, place).insert(taker);
        }
        count
    }

    fn holders(&mut self, of: usize, place: usize) -> &mut BTreeSet<usize> {
        self.classes[self.members[of].class].holders.entry(place).or_default()
    }

    fn held_by(&self, class: usize) -> Vec<usize> {
        let held = self.classes[class].holders.iter().filter(|(_, holders)| !holders.is_empty());
        held.map(|(place, _)| *place).collect()
    }

    /// Somebody of the class who has some of a topic, new ones if anybody has.
    fn giver_of(&mut self, class: usize, place: usize) -> usize {
        let holders = &self.classes[class].holders[&place];
        let mut looked = holders.iter().inspect(|_| self.steps += 1);
        let new = looked.find(|at| self.members[**at].new_of(place) > 0);
        *new.or(holders.first()).expect("the way leads by a class that has some")
    }
}
