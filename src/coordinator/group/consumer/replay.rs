//! What records say becomes what is.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Consumer;
use super::member::{ClassicPart, Held, Member, State};
use super::names::By;
use super::pattern::Resolved;
use crate::coordinator::group::assign::Assignment;
use crate::wire::internal::GroupRecord;
use crate::wire::internal::consumer_group_current_member_assignment::{
    ConsumerGroupCurrentMemberAssignmentValue, TopicPartitions,
};
use crate::wire::internal::consumer_group_member_metadata::ConsumerGroupMemberMetadataValue;
use crate::wire::internal::consumer_group_regular_expression::ConsumerGroupRegularExpressionValue;
use crate::wire::internal::consumer_group_target_assignment_member::ConsumerGroupTargetAssignmentMemberValue;
use crate::wire::internal::consumer_group_target_assignment_metadata::ConsumerGroupTargetAssignmentMetadataValue;

/// An epoch that is given to a member between its tombstones.
const GONE: i32 = -1;

impl Consumer {
    /// Topics that the group has come to subscribe to (true) or no longer does, since last asked.
    pub fn take_shifts(&mut self) -> Vec<(Rc<str>, bool)> {
        self.names.take_shifts()
    }

    /// Whether the record only takes something back, and says nothing to a group that is not there.
    pub fn takes_back(record: &GroupRecord<'_>) -> bool {
        match record {
            GroupRecord::ConsumerGroup(_, value) => value.is_none(),
            GroupRecord::PartitionMetadata(_, value) => value.is_none(),
            GroupRecord::Member(_, value) => value.is_none(),
            GroupRecord::TargetAssignment(_, value) => value.is_none(),
            GroupRecord::TargetAssignmentMember(_, value) => value.is_none(),
            GroupRecord::CurrentMemberAssignment(_, value) => value.is_none(),
            GroupRecord::RegularExpression(_, value) => value.is_none(),
            _ => true,
        }
    }

    /// Takes in one record of this group; the one that takes the whole group back is none of them.
    pub fn apply(&mut self, record: &GroupRecord<'_>) {
        match record {
            GroupRecord::ConsumerGroup(_, Some(value)) => {
                self.epoch = value.epoch;
                self.hash = value.metadata_hash;
            }
            GroupRecord::PartitionMetadata(_, value) => self.has_old_topics = value.is_some(),
            GroupRecord::Member(key, value) => self.apply_member(key.member_id, value.as_ref()),
            GroupRecord::TargetAssignment(_, value) => self.apply_shared(value.as_ref()),
            GroupRecord::TargetAssignmentMember(key, value) => {
                self.apply_target(key.member_id, value.as_ref());
            }
            GroupRecord::CurrentMemberAssignment(key, value) => {
                self.apply_current(key.member_id, value.as_ref());
            }
            GroupRecord::RegularExpression(key, value) => {
                self.apply_pattern(key.regular_expression, value.as_ref());
            }
            _ => {}
        }
    }

    fn apply_member(&mut self, id: &str, value: Option<&ConsumerGroupMemberMetadataValue<'_>>) {
        let Some(value) = value else { return self.drop_member(id) };
        let mut member = self.members.get(id).cloned().unwrap_or_default();
        member.instance = value.instance_id.map(Rc::from);
        member.rack = value.rack_id.map(Rc::from);
        member.come_from(value.client_id, value.client_host);
        // Mostly all members subscribe to the same.
        if let Some(other) = self.members.values().next() {
            member.names = other.names.clone();
        }
        member.subscribe(value.subscribed_topic_names.iter().copied());
        member.pattern = value.subscribed_topic_regex.unwrap_or_default().into();
        member.rebalance_timeout_ms = value.rebalance_timeout_ms;
        member.assignor = value.server_assignor.map(Rc::from);
        member.classic = value.classic_member_metadata.as_ref().map(|classic| {
            let protocols = classic.supported_protocols.iter();
            Rc::new(ClassicPart {
                session_timeout_ms: classic.session_timeout_ms,
                protocols: protocols
                    .map(|one| (one.name.to_owned(), one.metadata.to_vec()))
                    .collect(),
            })
        });
        self.put_member(id, member);
    }

    fn apply_current(
        &mut self,
        id: &str,
        value: Option<&ConsumerGroupCurrentMemberAssignmentValue>,
    ) {
        let Some(value) = value else {
            if let Some(known) = self.members.get(id) {
                let gone = Member {
                    epoch: GONE,
                    previous_epoch: GONE,
                    assigned: Rc::default(),
                    revoking: Rc::default(),
                    ..known.clone()
                };
                self.put_member(id, gone);
            }
            return;
        };
        let mut member = self.members.get(id).cloned().unwrap_or_default();
        member.epoch = value.member_epoch;
        member.previous_epoch = value.previous_member_epoch;
        member.state = State::of(value.state);
        member.assigned = held(&value.assigned_partitions, value.member_epoch);
        member.revoking = held(&value.partitions_pending_revocation, value.member_epoch);
        self.put_member(id, member);
    }

    fn apply_target(&mut self, id: &str, value: Option<&ConsumerGroupTargetAssignmentMemberValue>) {
        let Some(value) = value else {
            self.targets.remove(id);
            return;
        };
        let mut target = Assignment::new();
        for topic in &value.topic_partitions {
            let partitions: BTreeSet<i32> = topic.partitions.iter().copied().collect();
            target.insert(topic.topic_id, partitions);
        }
        let id = self.members.get_key_value(id).map_or_else(|| id.into(), |(id, _)| id.clone());
        self.targets.insert(id, Rc::new(target));
    }

    fn apply_shared(&mut self, value: Option<&ConsumerGroupTargetAssignmentMetadataValue>) {
        self.assignment_epoch = value.map_or(GONE, |value| value.assignment_epoch);
        self.assignment_ms = value.map_or(0, |value| value.assignment_timestamp);
    }

    fn apply_pattern(
        &mut self,
        pattern: &str,
        value: Option<&ConsumerGroupRegularExpressionValue<'_>>,
    ) {
        if let Some(known) = self.resolved.remove(pattern) {
            known.topics.iter().for_each(|name| self.names.remove(name, By::Pattern));
        }
        if let Some(value) = value {
            let topics: BTreeSet<Rc<str>> = value.topics.iter().map(|&name| name.into()).collect();
            topics.iter().for_each(|name| self.names.add(name, By::Pattern));
            let (version, unix_ms) = (value.version, value.timestamp);
            let resolved = Resolved { topics: Rc::new(topics), version, unix_ms };
            self.resolved.insert(pattern.into(), resolved);
        }
    }

    fn put_member(&mut self, id: &str, member: Member) {
        let known = self.members.get_key_value(id);
        let id: Rc<str> = known.map_or_else(|| id.into(), |(id, _)| id.clone());
        let before = self.members.insert(id.clone(), member.clone()).unwrap_or_default();
        self.bytes = self.bytes.saturating_sub(before.bytes()) + member.bytes();
        if before.names != member.names {
            before.names.iter().for_each(|name| self.names.remove(name, By::Name));
            member.names.iter().for_each(|name| self.names.add(name, By::Name));
        }
        if before.pattern != member.pattern {
            self.names.remove_pattern(&before.pattern);
            self.names.add_pattern(&member.pattern);
        }
        if before.assigned != member.assigned || before.revoking != member.revoking {
            self.let_go(&id, &before);
            self.hold(&id, &member);
        }
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), id);
        }
    }

    fn drop_member(&mut self, id: &str) {
        let Some(before) = self.members.remove(id) else { return };
        self.let_go(id, &before);
        self.bytes = self.bytes.saturating_sub(before.bytes());
        before.names.iter().for_each(|name| self.names.remove(name, By::Name));
        self.names.remove_pattern(&before.pattern);
        self.clocks.remove(id);
        // Somebody else may have taken its place.
        if let Some(instance) = &before.instance
            && self.instances.get(instance).is_some_and(|holder| **holder == *id)
        {
            self.instances.remove(instance);
        }
    }

    fn hold(&mut self, id: &Rc<str>, member: &Member) {
        for (&topic, partitions) in member.assigned.iter().chain(&*member.revoking) {
            let held = self.holders.entry(topic).or_default();
            held.extend(partitions.keys().map(|&partition| (partition, id.clone())));
        }
    }

    fn let_go(&mut self, id: &str, member: &Member) {
        for (topic, partitions) in member.assigned.iter().chain(&*member.revoking) {
            let Some(held) = self.holders.get_mut(topic) else { continue };
            for partition in partitions.keys() {
                // In a log that was cleaned somebody may have it already.
                if held.get(partition).is_some_and(|holder| **holder == *id) {
                    held.remove(partition);
                }
            }
            if held.is_empty() {
                self.holders.remove(topic);
            }
        }
    }
}

/// Where the epochs of partitions are missing, as before Kafka 4.3, they count since the member's.
fn held(topics: &[TopicPartitions], member_epoch: i32) -> Rc<Held> {
    let mut held = Held::new();
    for topic in topics {
        let epochs = topic.assignment_epochs.as_deref().unwrap_or_default();
        let partitions: BTreeMap<i32, i32> = match epochs.len() == topic.partitions.len() {
            true => topic.partitions.iter().copied().zip(epochs.iter().copied()).collect(),
            false => topic.partitions.iter().map(|&one| (one, member_epoch.max(0))).collect(),
        };
        held.insert(topic.topic_id, partitions);
    }
    Rc::new(held)
}
