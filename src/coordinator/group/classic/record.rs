//! A classic group as one record of `__consumer_offsets`, and back.

use std::rc::Rc;

use super::{Classic, Member, State};
use crate::coordinator::Record;
use crate::wire::internal::Key;
use crate::wire::internal::group_metadata::{GroupMetadataKey, GroupMetadataValue, MemberMetadata};
use crate::wire::versioned::Versioned;

/// What Kafka 4 writes.
const VERSION: i16 = 3;

pub(in crate::coordinator::group) fn key(group: &str) -> Vec<u8> {
    let mut key = Vec::new();
    GroupMetadataKey { group }.encode_key(&mut key);
    key
}

impl Classic {
    /// The group as it is.
    pub(in crate::coordinator::group) fn record(&self) -> Record {
        let protocol = self.protocol.as_deref();
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.as_deref().unwrap_or_default(),
            generation: self.generation,
            protocol,
            leader: self.leader.as_deref(),
            current_state_timestamp: self.state_since_ms.unwrap_or(-1),
            members: self
                .members
                .iter()
                .map(|(id, member)| MemberMetadata {
                    member_id: id,
                    group_instance_id: member.instance.as_deref(),
                    client_id: &member.client_id,
                    client_host: &member.client_host,
                    rebalance_timeout: member.rebalance_timeout_ms,
                    session_timeout: member.session_timeout_ms,
                    subscription: protocol.and_then(|p| member.metadata(p)).unwrap_or_default(),
                    assignment: &member.assignment,
                })
                .collect(),
        };
        let mut bytes = Vec::new();
        value.encode(VERSION, &mut bytes);
        Record { key: key(&self.id), value: Some(bytes) }
    }

    /// The group that a record tells of.
    pub(in crate::coordinator::group) fn from_record(
        id: Rc<str>,
        value: &GroupMetadataValue<'_>,
    ) -> Classic {
        let mut group = Classic::new(id);
        group.state = if value.members.is_empty() { State::Empty } else { State::Stable };
        group.state_since_ms = Some(value.current_state_timestamp).filter(|&ms| ms >= 0);
        group.protocol_type = Some(value.protocol_type.to_owned()).filter(|name| !name.is_empty());
        group.protocol = value.protocol.map(str::to_owned);
        group.generation = value.generation;
        group.leader = value.leader.map(Rc::from);
        for member in &value.members {
            let id: Rc<str> = member.member_id.into();
            if let Some(instance) = member.group_instance_id {
                group.instances.insert(instance.to_owned(), id.clone());
            }
            // Older versions know no rebalance timeout of its own.
            let rebalance = match member.rebalance_timeout {
                -1 => member.session_timeout,
                known => known,
            };
            let protocol = value.protocol.unwrap_or_default().to_owned();
            let known = Member {
                instance: member.group_instance_id.map(str::to_owned),
                client_id: member.client_id.to_owned(),
                client_host: member.client_host.to_owned(),
                session_timeout_ms: member.session_timeout,
                rebalance_timeout_ms: rebalance,
                protocols: vec![(protocol, member.subscription.to_vec())],
                assignment: member.assignment.to_vec(),
                ..Member::default()
            };
            group.members.insert(id, known);
        }
        group.learn_subscription();
        group
    }
}
