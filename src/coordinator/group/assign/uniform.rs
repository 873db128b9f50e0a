//! The uniform assignor: as even as the subscriptions allow, and no partition moves but for that.
//!
//! It reckons with counts, how many partitions of a topic a member has, and picks the partitions
//! last: each member keeps of its own what its count allows, and the rest is dealt out. First
//! everybody keeps everything, and what nobody has goes to whoever has least; then the load is
//! levelled along *ways*: the fullest member gives partitions of a topic to a subscriber of it, who
//! may pass as many of another topic on. When no way leads from anybody to a member that has two
//! fewer, no other assignment is more even, whatever the subscriptions are (an optimal
//! semi-matching); with equal ones that is a difference of one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::RangeInclusive;
use std::rc::Rc;

use super::{Assignment, Subscriber, kept_or_new};
use crate::config::limits::ASSIGNMENT_STEPS_MAX;
use crate::model::TopicId;

/// The owner of a partition that had none.
const NOBODY: usize = usize::MAX;
/// The number of no search: whoever has it needs no looking at any more.
const DONE: u64 = u64::MAX;

/// One that somebody subscribes to.
struct Topic {
    id: TopicId,
    subscribers: Vec<usize>,
    /// Who had each partition.
    owners: Vec<usize>,
    /// The search that came by here last.
    search: u64,
}

#[derive(Default)]
struct Member {
    /// Partitions of each topic that it had and may keep, and that it shall have.
    had: BTreeMap<usize, usize>,
    has: BTreeMap<usize, usize>,
    load: usize,
    /// How the search came here: from whom, by which topic.
    came: (usize, usize),
    /// The search that came here last.
    search: u64,
}

struct Table<'a> {
    subscribers: &'a BTreeMap<Rc<str>, Subscriber>,
    topics: Vec<Topic>,
    members: Vec<Member>,
    /// How many searches there were.
    search: u64,
    /// Topics and subscribers that they looked at.
    steps: u64,
}

pub(super) fn assign(
    subscribers: &BTreeMap<Rc<str>, Subscriber>,
    topics: &BTreeMap<TopicId, i32>,
) -> BTreeMap<Rc<str>, Rc<Assignment>> {
    let mut table = Table::new(subscribers, topics);
    table.deal_out();
    table.level();
    table.settle()
}

impl<'a> Table<'a> {
    fn new(
        subscribers: &'a BTreeMap<Rc<str>, Subscriber>,
        topics: &BTreeMap<TopicId, i32>,
    ) -> Table<'a> {
        let mut places: BTreeMap<TopicId, usize> = BTreeMap::new();
        let mut table =
            Table { subscribers, topics: Vec::new(), members: Vec::new(), search: 0, steps: 0 };
        for (at, subscriber) in subscribers.values().enumerate() {
            for id in subscriber.topics.iter() {
                let Some(&partitions) = topics.get(id) else { continue };
                let place = *places.entry(*id).or_insert_with(|| {
                    let owners = vec![NOBODY; usize::try_from(partitions).unwrap_or(0)];
                    table.topics.push(Topic {
                        id: *id,
                        subscribers: Vec::new(),
                        owners,
                        search: 0,
                    });
                    table.topics.len() - 1
                });
                table.topics[place].subscribers.push(at);
            }
        }
        for (at, subscriber) in subscribers.values().enumerate() {
            let mut member = Member::default();
            let readable =
                subscriber.owned.iter().filter(|(id, _)| subscriber.topics.contains(*id));
            for (id, partitions) in readable {
                let Some(&place) = places.get(id) else { continue };
                let owners = &mut table.topics[place].owners;
                let mut count = 0;
                for &partition in partitions {
                    let owner = usize::try_from(partition).ok().and_then(|at| owners.get_mut(at));
                    // Of two who had it, which no target should say, the first keeps it.
                    if let Some(owner) = owner.filter(|owner| **owner == NOBODY) {
                        *owner = at;
                        count += 1;
                    }
                }
                if count > 0 {
                    member.had.insert(place, count);
                    member.load += count;
                }
            }
            member.has = member.had.clone();
            table.members.push(member);
        }
        table
    }

    /// What nobody has goes to whoever has least; topics that few subscribe to come first.
    fn deal_out(&mut self) {
        let mut order: Vec<usize> = (0..self.topics.len()).collect();
        order.sort_by_key(|&place| {
            let topic = &self.topics[place];
            (topic.subscribers.len(), Reverse(topic.owners.len()))
        });
        for place in order {
            let topic = &self.topics[place];
            let free = topic.owners.iter().filter(|owner| **owner == NOBODY).count();
            if free == 0 {
                continue;
            }
            let loads = topic.subscribers.iter().map(|&at| Reverse((self.members[at].load, at)));
            let mut least: BinaryHeap<Reverse<(usize, usize)>> = loads.collect();
            for _ in 0..free {
                let mut first = least.peek_mut().expect("a topic is here for its subscribers");
                let Reverse((load, at)) = &mut *first;
                *load += 1;
                self.members[*at].take(place, 1);
                self.members[*at].load += 1;
            }
        }
    }

    /// Levels the loads of those who read anything, from the fullest member down.
    fn level(&mut self) {
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
                    self.steps += topic.subscribers.len() as u64;
                    for &at in &topic.subscribers {
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

    /// Picks the partitions, and tells the shares.
    fn settle(self) -> BTreeMap<Rc<str>, Rc<Assignment>> {
        let mut shares = vec![Assignment::new(); self.members.len()];
        let mut left = vec![0; self.members.len()];
        for (place, topic) in self.topics.iter().enumerate() {
            for &at in &topic.subscribers {
                left[at] = self.members[at].has.get(&place).copied().unwrap_or(0);
            }
            let mut free = Vec::new();
            for (partition, &owner) in (0..).zip(&topic.owners) {
                if owner == NOBODY || left[owner] == 0 {
                    free.push(partition);
                } else {
                    left[owner] -= 1;
                    shares[owner].entry(topic.id).or_default().insert(partition);
                }
            }
            let mut free = free.into_iter();
            for &at in &topic.subscribers {
                let new = free.by_ref().take(std::mem::take(&mut left[at]));
                let mut new = new.peekable();
                if new.peek().is_some() {
                    shares[at].entry(topic.id).or_default().extend(new);
                }
            }
            assert!(free.next().is_none(), "the counts add up to all partitions");
        }
        let shares = self.subscribers.iter().zip(shares);
        shares.map(|((id, had), share)| (id.clone(), kept_or_new(&had.owned, share))).collect()
    }
}

impl Member {
    fn take(&mut self, place: usize, count: usize) {
        *self.has.entry(place).or_default() += count;
    }

    fn give(&mut self, place: usize, count: usize) {
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
    fn can_give(&self, place: usize) -> usize {
        match self.new_of(place) {
            0 => self.has.get(&place).copied().unwrap_or(0),
            new => new,
        }
    }

    /// The topics that it has, those of which it has new partitions first.
    fn gives(&self) -> Vec<usize> {
        let (mut new, kept): (Vec<usize>, Vec<usize>) =
            self.has.keys().copied().partition(|&place| self.new_of(place) > 0);
        new.extend(kept);
        new
    }
}

#[cfg(test)]
mod tests;
