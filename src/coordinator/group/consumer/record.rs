//! The records of a group, as Kafka writes them: a member is three of them (who it is, what is for it,
//! what it has), the group two (its epoch, and the one at which it was shared), and each pattern one.

use std::rc::Rc;

use super::Consumer;
use super::member::{ClassicPart, Held, Member};
use super::pattern::Resolved;
use crate::coordinator::Record;
use crate::coordinator::group::assign::Assignment;
use crate::wire::internal::Key;
use crate::wire::internal::consumer_group_current_member_assignment::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
    TopicPartitions,
};
use crate::wire::internal::consumer_group_member_metadata::{
    ClassicMemberMetadata, ClassicProtocol, ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
};
use crate::wire::internal::consumer_group_metadata::{
    ConsumerGroupMetadataKey, ConsumerGroupMetadataValue,
};
use crate::wire::internal::consumer_group_partition_metadata::ConsumerGroupPartitionMetadataKey;
use crate::wire::internal::consumer_group_regular_expression::{
    ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue,
};
use crate::wire::internal::consumer_group_target_assignment_member::{
    ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue,
    TopicPartition,
};
use crate::wire::internal::consumer_group_target_assignment_metadata::{
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue,
};
use crate::wire::versioned::Versioned;

/// The only one of all these records.
const VERSION: i16 = 0;

fn written<'a, K: Key<'a>>(key: &K, value: &K::Value) -> Record {
    let mut bytes = Vec::new();
    value.encode(VERSION, &mut bytes);
    Record { value: Some(bytes), ..tombstone(key) }
}

fn tombstone<'a, K: Key<'a>>(key: &K) -> Record {
    let mut bytes = Vec::new();
    key.encode_key(&mut bytes);
    Record { key: bytes, value: None }
}

pub(super) fn member(group_id: &str, member_id: &str, member: &Member) -> Record {
    let classic = |classic: &Rc<ClassicPart>| ClassicMemberMetadata {
        session_timeout_ms: classic.session_timeout_ms,
        supported_protocols: Vec::new(),
    };
    let mut classic_member_metadata = member.classic.as_ref().map(classic);
    if let (Some(metadata), Some(classic)) = (&mut classic_member_metadata, &member.classic) {
        let protocol = |(name, metadata)| ClassicProtocol { name, metadata };
        let protocols = classic.protocols.iter().map(|(name, bytes)| (&**name, &**bytes));
        metadata.supported_protocols = protocols.map(protocol).collect();
    }
    let value = ConsumerGroupMemberMetadataValue {
        instance_id: member.instance.as_deref(),
        rack_id: member.rack.as_deref(),
        client_id: &member.client_id,
        client_host: &member.client_host,
        subscribed_topic_names: member.names.iter().map(|name| &**name).collect(),
        subscribed_topic_regex: Some(&member.pattern),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        server_assignor: member.assignor.as_deref(),
        classic_member_metadata,
    };
    written(&ConsumerGroupMemberMetadataKey { group_id, member_id }, &value)
}

pub(super) fn epoch(group_id: &str, epoch: i32, metadata_hash: i64) -> Record {
    let value = ConsumerGroupMetadataValue { epoch, metadata_hash };
    written(&ConsumerGroupMetadataKey { group_id }, &value)
}

pub(super) fn target(group_id: &str, member_id: &str, target: &Assignment) -> Record {
    let topic = |(&topic_id, partitions): (&_, &std::collections::BTreeSet<i32>)| TopicPartition {
        topic_id,
        partitions: partitions.iter().copied().collect(),
    };
    let value = ConsumerGroupTargetAssignmentMemberValue {
        topic_partitions: target.iter().map(topic).collect(),
    };
    written(&ConsumerGroupTargetAssignmentMemberKey { group_id, member_id }, &value)
}

pub(super) fn assignment_epoch(group_id: &str, epoch: i32, unix_ms: i64) -> Record {
    let value = ConsumerGroupTargetAssignmentMetadataValue {
        assignment_epoch: epoch,
        assignment_timestamp: unix_ms,
    };
    written(&ConsumerGroupTargetAssignmentMetadataKey { group_id }, &value)
}

pub(super) fn current(group_id: &str, member_id: &str, member: &Member) -> Record {
    let value = ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: member.epoch,
        previous_member_epoch: member.previous_epoch,
        state: member.state as i8,
        assigned_partitions: partitions(&member.assigned),
        partitions_pending_revocation: partitions(&member.revoking),
    };
    written(&ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id }, &value)
}

fn partitions(held: &Held) -> Vec<TopicPartitions> {
    let topic =
        |(&topic_id, partitions): (&_, &std::collections::BTreeMap<i32, i32>)| TopicPartitions {
            topic_id,
            partitions: partitions.keys().copied().collect(),
            assignment_epochs: Some(partitions.values().copied().collect()),
        };
    held.iter().map(topic).collect()
}

pub(super) fn pattern(group_id: &str, pattern: &str, resolved: &Resolved) -> Record {
    let value = ConsumerGroupRegularExpressionValue {
        topics: resolved.topics.iter().map(|topic| &**topic).collect(),
        version: resolved.version,
        timestamp: resolved.unix_ms,
    };
    written(&ConsumerGroupRegularExpressionKey { group_id, regular_expression: pattern }, &value)
}

pub(super) fn pattern_gone(group_id: &str, pattern: &str) -> Record {
    tombstone(&ConsumerGroupRegularExpressionKey { group_id, regular_expression: pattern })
}

pub(super) fn old_topics_gone(group_id: &str) -> Record {
    tombstone(&ConsumerGroupPartitionMetadataKey { group_id })
}

/// What takes a member back, in the order in which a replay expects it.
pub(super) fn member_gone(group_id: &str, member_id: &str) -> [Record; 3] {
    [
        tombstone(&ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id }),
        tombstone(&ConsumerGroupTargetAssignmentMemberKey { group_id, member_id }),
        tombstone(&ConsumerGroupMemberMetadataKey { group_id, member_id }),
    ]
}

impl Consumer {
    /// What takes the whole group back; whoever takes the place of `replaced` is named instead.
    pub(in crate::coordinator::group) fn tombstones(
        &self,
        replaced: Option<(&str, &str)>,
    ) -> Vec<Record> {
        let group_id = &*self.id;
        let members: Vec<&str> = self
            .members
            .keys()
            .map(|id| match replaced {
                Some((old, new)) if old == &**id => new,
                _ => &**id,
            })
            .collect();
        let mut records = Vec::with_capacity(3 * members.len() + self.resolved.len() + 3);
        let gone = members.iter().map(|&member_id| member_gone(group_id, member_id));
        let (mut current, mut targets, mut metadata) = (Vec::new(), Vec::new(), Vec::new());
        for [of_current, of_target, of_member] in gone {
            current.push(of_current);
            targets.push(of_target);
            metadata.push(of_member);
        }
        records.append(&mut current);
        records.append(&mut targets);
        records.push(tombstone(&ConsumerGroupTargetAssignmentMetadataKey { group_id }));
        records.append(&mut metadata);
        records.extend(self.resolved.keys().map(|pattern| pattern_gone(group_id, pattern)));
        records.push(old_topics_gone(group_id));
        records.push(tombstone(&ConsumerGroupMetadataKey { group_id }));
        records
    }
}
