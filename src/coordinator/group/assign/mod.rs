//! Which member of a consumer group reads what, decided by the broker (KIP-848): the two server-side
//! assignors that Kafka has.
//!
//! Pure and deterministic: the same members, subscriptions, topics and present shares give the same
//! assignment on every run. Every partition of a topic that somebody subscribes to has exactly one
//! owner, who subscribes to it; what is subscribed to and does not exist is passed over. Whose share
//! stays as it is keeps the very [`Rc`], so that the caller sees by the pointer what has changed.

mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::model::TopicId;

/// What a member has: for each topic its partitions. A topic without any does not stand in it.
pub type Assignment = BTreeMap<TopicId, BTreeSet<i32>>;

/// A member as an assignor sees it.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// The `group.instance.id` of a static member.
    pub instance: Option<Rc<str>>,
    pub topics: Rc<BTreeSet<TopicId>>,
    /// Its present target, whatever it has got of that so far.
    pub owned: Rc<Assignment>,
}

/// How partitions are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Evenly over everything that a member reads, and moving as little as that takes.
    Uniform,
    /// Topic by topic, each member one range, in the order of the members.
    Range,
}

impl Assignor {
    /// By its name in requests and in `group.consumer.assignors`.
    pub fn named(name: &str) -> Option<Assignor> {
        [Assignor::Uniform, Assignor::Range].into_iter().find(|assignor| assignor.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// A share for each of the subscribers, an empty one where nothing is left for it. `topics` tells
    /// how many partitions there are of each; it may tell of more than anybody subscribes to.
    pub fn assign(
        self,
        subscribers: &BTreeMap<Rc<str>, Subscriber>,
        topics: &BTreeMap<TopicId, i32>,
    ) -> BTreeMap<Rc<str>, Rc<Assignment>> {
        match self {
            Assignor::Uniform => uniform::assign(subscribers, topics),
            Assignor::Range => range::assign(subscribers, topics),
        }
    }
}

/// What a member had, if that is what it shall have.
fn kept_or_new(owned: &Rc<Assignment>, share: Assignment) -> Rc<Assignment> {
    match **owned == share {
        true => owned.clone(),
        false => Rc::new(share),
    }
}

#[cfg(test)]
mod tests;
