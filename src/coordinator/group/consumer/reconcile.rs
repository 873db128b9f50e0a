//! From what a member has towards what is for it (Kafka: CurrentAssignmentBuilder).
//!
//! ```text
//!          has to give up              has given up
//!  Stable ----------------> Unrevoked --------------.
//!    ^  \                                            v
//!    |   '--> Unreleased <---- something that is for it is still another's
//!    '---------- has all that is for it, at the epoch at which it was shared
//! ```
//!
//! A member keeps its epoch until it has given up what is no longer its own; what is new for it it
//! gets at the new epoch, and only what nobody else has.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Consumer;
use super::member::{Held, Member, State};
use super::plan::Refusal;
use crate::base::planted;
use crate::coordinator::View;
use crate::coordinator::group::assign::Assignment;
use crate::coordinator::group::request::Owned;
use crate::model::{ErrorCode, TopicId};

pub(super) struct Reconciliation<'a> {
    pub group: &'a Consumer,
    pub view: &'a dyn View,
    pub target_epoch: i32,
    pub target: &'a Assignment,
    pub subscription_changed: bool,
    /// What the member says it has; `None`: it does not say.
    pub owned: Option<&'a Owned>,
}

impl Reconciliation<'_> {
    /// The member one step further, or as it is.
    pub fn of(&self, member: &Member) -> Result<Member, Refusal> {
        if !self.subscription_changed && member.has_reached(self.target_epoch) {
            return Ok(member.clone());
        }
        match member.state {
            State::Stable if member.epoch != self.target_epoch => Ok(self.next(member)),
            State::UnrevokedPartitions if !self.still_has(&member.revoking) => {
                Ok(self.next(member))
            }
            State::Stable | State::UnrevokedPartitions if self.subscription_changed => {
                Ok(self.keep_subscribed(member))
            }
            State::Stable | State::UnrevokedPartitions => Ok(member.clone()),
            State::UnreleasedPartitions => Ok(self.next(member)),
            State::Unknown if self.owned.is_some_and(Vec::is_empty) => {
                Ok(self.next(&Member { epoch: self.target_epoch, ..member.clone() }))
            }
            State::Unknown => {
                let message = "The consumer group member is in a unknown state. The member must \
                               abandon all its partitions and rejoin.";
                Err(Refusal::new(ErrorCode::FENCED_MEMBER_EPOCH, message))
            }
        }
    }

    /// Whether the member has any of these, as far as it says.
    fn still_has(&self, revoking: &Held) -> bool {
        let Some(owned) = self.owned else { return true };
        owned.iter().any(|(topic, partitions)| {
            revoking.get(topic).is_some_and(|held| partitions.iter().any(|p| held.contains_key(p)))
        })
    }

    fn is_subscribed(&self, member: &Member, topic: TopicId) -> bool {
        let Some(name) = self.view.name_of(topic) else { return false };
        let by_pattern = || self.group.resolved.get(&member.pattern);
        member.names.contains(name) || by_pattern().is_some_and(|known| known.topics.contains(name))
    }

    /// Takes only what the member no longer subscribes to.
    fn keep_subscribed(&self, member: &Member) -> Member {
        let (mut assigned, mut revoking) = ((*member.assigned).clone(), (*member.revoking).clone());
        for (&topic, partitions) in &*member.assigned {
            if !self.is_subscribed(member, topic) {
                assigned.remove(&topic);
                revoking.entry(topic).or_default().extend(partitions);
            }
        }
        if assigned == *member.assigned {
            return member.clone();
        }
        let mut next = member.at_epoch(member.epoch);
        next.assigned = Rc::new(assigned);
        if self.still_has(&revoking) {
            next.state = State::UnrevokedPartitions;
            next.revoking = Rc::new(revoking);
        }
        next
    }

    fn next(&self, member: &Member) -> Member {
        let (mut assigned, mut revoking) = (Held::new(), Held::new());
        let (mut free, mut waits) = (Vec::new(), false);
        let none = (BTreeSet::new(), BTreeMap::new());
        let topics: BTreeSet<&TopicId> = self.target.keys().chain(member.assigned.keys()).collect();
        for &topic in topics {
            let shall = self.target.get(&topic).filter(|_| self.is_subscribed(member, topic));
            let shall = shall.unwrap_or(&none.0);
            let has = member.assigned.get(&topic).unwrap_or(&none.1);
            for (&partition, &epoch) in has {
                let side = if shall.contains(&partition) { &mut assigned } else { &mut revoking };
                side.entry(topic).or_default().insert(partition, epoch);
            }
            for &partition in shall.iter().filter(|partition| !has.contains_key(partition)) {
                // What it is giving up itself nobody else can have.
                let own = member.revoking.get(&topic).is_some_and(|r| r.contains_key(&partition));
                let taken = self.group.is_held(topic, partition) && !own;
                if taken && !planted::is("give-what-is-not-released") {
                    waits = true;
                } else {
                    free.push((topic, partition));
                }
            }
        }
        if !revoking.is_empty() && self.still_has(&revoking) {
            let mut next = member.at_epoch(member.epoch);
            next.state = State::UnrevokedPartitions;
            next.assigned = Rc::new(assigned);
            next.revoking = Rc::new(revoking);
            return next;
        }
        for (topic, partition) in free {
            assigned.entry(topic).or_default().insert(partition, self.target_epoch);
        }
        let mut next = member.at_epoch(self.target_epoch);
        next.state = if waits { State::UnreleasedPartitions } else { State::Stable };
        next.assigned = Rc::new(assigned);
        next.revoking = Rc::default();
        next
    }
}
