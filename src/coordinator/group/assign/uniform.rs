//! The uniform assignor: as even as the subscriptions allow, and no partition moves but for that.
//!
//! It reckons with counts, how many partitions of a topic a member has, and picks the partitions
//! last: each member keeps of its own what its count allows, and the rest is dealt out. First
//! everybody keeps everything, and what nobody has goes to whoever has least; then the load is
//! levelled along *ways*: the fullest member gives partitions of a topic to a subscriber of it, who
//! may pass as many of another topic on. When no way leads from anybody to a member that has two
//! fewer, no other assignment is more even, whatever the subscriptions are (an optimal
//! semi-matching); with equal ones that is a difference of one.

mod level;
mod member;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;

use super::{Assignment, Subscriber, kept_or_new};
use crate::base::planted;
use crate::model::TopicId;
use member::{Class, Member};

/// The owner of a partition that had none.
const NOBODY: usize = usize::MAX;

/// One that somebody subscribes to.
struct Topic {
    id: TopicId,
    subscribers: Vec<usize>,
    /// Their classes.
    classes: Vec<usize>,
    /// Who had each partition.
    owners: Vec<usize>,
    /// The search that came by here last.
    search: u64,
}

struct Table<'a> {
    subscribers: &'a BTreeMap<Rc<str>, Subscriber>,
    /// Those that few subscribe to come first everywhere: who can have little else shall have these.
    topics: Vec<Topic>,
    members: Vec<Member>,
    classes: Vec<Class>,
    /// How many searches there were.
    search: u64,
    /// Topics, and classes of subscribers, that they looked at.
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
        let mut kinds: BTreeMap<&BTreeSet<TopicId>, usize> = BTreeMap::new();
        let mut readers: BTreeMap<TopicId, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        let mut members = Vec::new();
        for (at, subscriber) in subscribers.values().enumerate() {
            let new = kinds.len();
            let class = *kinds.entry(&*subscriber.topics).or_insert(new);
            let mut member = Member { class, ..Member::default() };
            for id in subscriber.topics.iter().filter(|id| topics.contains_key(id)) {
                let (subscribers, classes) = readers.entry(*id).or_default();
                subscribers.push(at);
                classes.extend((class == new).then_some(class));
                member.reads = true;
            }
            members.push(member);
        }
        let known = readers.into_iter().map(|(id, (subscribers, classes))| {
            let owners = vec![NOBODY; usize::try_from(topics[&id]).unwrap_or(0)];
            Topic { id, subscribers, classes, owners, search: 0 }
        });
        let mut known: Vec<Topic> = known.collect();
        known.sort_by_key(|topic| (topic.subscribers.len(), Reverse(topic.owners.len())));
        let places = known.iter().enumerate().map(|(place, topic)| (topic.id, place));
        let places: BTreeMap<TopicId, usize> = places.collect();
        let classes = kinds.iter().map(|_| Class::default()).collect();
        let mut table = Table { subscribers, topics: known, members, classes, search: 0, steps: 0 };
        for (at, subscriber) in subscribers.values().enumerate() {
            let member = &mut table.members[at];
            let readable =
                subscriber.owned.iter().filter(|(id, _)| subscriber.topics.contains(*id));
            for (id, partitions) in readable {
                let Some(&place) = places.get(id) else { continue };
                let owners = &mut table.topics[place].owners;
                let mut count = 0;
                for &partition in partitions {
                    let owner = usize::try_from(partition).ok().and_then(|at| owners.get_mut(at));
                    // Of two who had it, which no target should say, the first keeps it.
                    let owner = owner.filter(|owner| **owner == NOBODY);
                    if let Some(owner) = owner.filter(|_| !planted::is("share-out-afresh")) {
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
        }
        table
    }

    /// What nobody has goes to whoever has least.
    fn deal_out(&mut self) {
        for place in 0..self.topics.len() {
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

#[cfg(test)]
mod tests;
