//! A group of the new protocol (KIP-848): members tell what they subscribe to, the broker shares the
//! partitions, and each member is led from what it has to what it is to have, so that a partition is
//! never given before its former holder let go. The rules are those of Kafka 4.4's ConsumerGroup.
//!
//! What lasts changes by records alone, live and when the log is read (`replay`): a decision
//! is a [`Plan`] of records that is made without touching the group, and carried out when it is known to
//! fit one batch. What does not last are the [`Clock`]s of members, and whether the topics were
//! looked at since they changed.

mod advance;
mod beat;
mod check;
mod classic;
mod clock;
mod commit;
mod describe;
mod downgrade;
mod fence;
mod hash;
mod member;
mod names;
mod pattern;
mod plan;
mod reconcile;
pub(super) mod record;
mod replay;
mod seat;
mod target;
mod upgrade;

use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) use beat::Beating;
pub(super) use check::check_fields;
pub(super) use classic::Joining;
use clock::Clock;
pub(super) use hash::Hashes;
use member::Member;
use names::Names;
use pattern::Resolved;
pub(super) use plan::{Plan, Refusal, Soft};
pub(super) use upgrade::upgraded;

use super::assign::Assignment;
use crate::model::TopicId;

/// Kafka's first epoch of a group and of what it has shared: nothing was shared yet.
const FIRST_EPOCH: i32 = 1;

#[derive(Debug)]
pub(super) struct Consumer {
    id: Rc<str>,
    /// Grows whenever partitions have to be shared anew.
    epoch: i32,
    /// Of the topics subscribed to, when the epoch last grew.
    hash: i64,
    /// The epoch at which partitions were last shared, and when, in Unix milliseconds (0: never).
    assignment_epoch: i32,
    assignment_ms: i64,
    members: BTreeMap<Rc<str>, Member>,
    /// Members with an instance id, by it.
    instances: BTreeMap<Rc<str>, Rc<str>>,
    /// What each is to have.
    targets: BTreeMap<Rc<str>, Rc<Assignment>>,
    /// Who has each partition, or has not let go of it.
    holders: BTreeMap<TopicId, BTreeMap<i32, Rc<str>>>,
    names: Names,
    /// Of what all members subscribe to.
    bytes: usize,
    /// Which topics the members' patterns mean, as far as they were matched.
    resolved: BTreeMap<Rc<str>, Resolved>,
    /// A Kafka before 4.1 wrote down the topics themselves; that record has to go.
    has_old_topics: bool,
    clocks: BTreeMap<Rc<str>, Clock>,
    /// The topics subscribed to were looked at, and have not changed since.
    is_checked: bool,
    /// Patterns are about to be matched.
    is_resolving: bool,
}

impl Consumer {
    pub fn new(id: Rc<str>) -> Consumer {
        Consumer {
            id,
            epoch: FIRST_EPOCH,
            hash: 0,
            assignment_epoch: FIRST_EPOCH,
            assignment_ms: 0,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            targets: BTreeMap::new(),
            holders: BTreeMap::new(),
            names: Names::default(),
            bytes: 0,
            resolved: BTreeMap::new(),
            has_old_topics: false,
            clocks: BTreeMap::new(),
            is_checked: false,
            is_resolving: false,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn is_subscribed(&self, topic: &str) -> bool {
        self.names.contains(topic)
    }

    pub fn topics(&self) -> impl Iterator<Item = &Rc<str>> {
        self.names.iter()
    }

    /// Topics subscribed to have changed.
    pub fn topics_changed(&mut self) {
        self.is_checked = false;
    }

    pub fn state(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.assignment_epoch {
            "Assigning"
        } else if self.members.values().all(|member| member.has_reached(self.assignment_epoch)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// The sessions of those who speak the classic protocol, as they are to begin.
    pub fn classic_sessions(&self) -> Vec<Soft> {
        let session = |(id, member): (&Rc<str>, &Member)| {
            Some(Soft::Session(id.clone(), member.classic.as_ref()?.session_timeout_ms))
        };
        self.members.iter().filter_map(session).collect()
    }

    fn member_of(&self, instance: &str) -> Option<(&Rc<str>, &Member)> {
        self.members.get_key_value(self.instances.get(instance)?)
    }

    /// Whether anybody has this partition, or had it and has not let go.
    fn is_held(&self, topic: TopicId, partition: i32) -> bool {
        self.holders.get(&topic).is_some_and(|held| held.contains_key(&partition))
    }

    /// What is for a member; a static one takes over what is for its instance.
    fn target_of(&self, member: &str, instance: Option<&str>) -> Rc<Assignment> {
        let holder = match instance {
            Some(instance) => self.instances.get(instance).map(|holder| &**holder),
            None => Some(member),
        };
        holder.and_then(|holder| self.targets.get(holder)).cloned().unwrap_or_default()
    }
}
