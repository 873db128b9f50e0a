//! Members that come from a group of the new protocol or go over to one (KIP-848, online migration).

use std::rc::Rc;

use super::{Classic, Member, State};
use crate::coordinator::Now;
use crate::coordinator::group::request::Protocols;
use crate::coordinator::group::turn::Turn;
use crate::model::ErrorCode;
use crate::wire::consumer_protocol::PROTOCOL_TYPE;

/// A member on its way to the new protocol.
pub(in crate::coordinator::group) struct Moving<'a> {
    pub id: &'a Rc<str>,
    pub instance: Option<&'a str>,
    pub client_id: &'a str,
    pub client_host: &'a str,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub protocols: &'a Protocols,
    /// What it says for the protocol that was voted for.
    pub metadata: &'a [u8],
    pub assignment: &'a [u8],
}

/// A member that comes from there.
pub(in crate::coordinator::group) struct Moved {
    pub id: Rc<str>,
    pub instance: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub protocols: Protocols,
    pub assignment: Vec<u8>,
}

impl Classic {
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Every member, as it is.
    pub fn moving(&self) -> impl Iterator<Item = Moving<'_>> {
        self.members.iter().map(|(id, member)| {
            let voted = self.protocol.as_deref().and_then(|protocol| member.metadata(protocol));
            let first = || member.protocols.first().map(|(_, metadata)| metadata.as_slice());
            Moving {
                id,
                instance: member.instance.as_deref(),
                client_id: &member.client_id,
                client_host: &member.client_host,
                session_timeout_ms: member.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols: &member.protocols,
                // Where nothing was voted for yet, all of them say the same.
                metadata: voted.or_else(first).unwrap_or_default(),
                assignment: &member.assignment,
            }
        })
    }

    /// The group goes over: whoever waits is asked to join the next one.
    pub fn dissolve(&mut self, turn: &mut Turn<'_>) {
        let again = ErrorCode::REBALANCE_IN_PROGRESS;
        for (id, member) in &mut self.members {
            if let Some(joining) = member.joining.take() {
                turn.refuse_join(joining, again, id);
            }
            if let Some(syncing) = member.syncing.take() {
                turn.refuse_sync(syncing, again);
            }
        }
    }

    /// A stable group of these members.
    pub fn of_moved(id: Rc<str>, generation: i32, members: Vec<Moved>, now: Now) -> Classic {
        let mut group = Classic::new(id);
        group.state = State::Stable;
        group.state_since_ms = Some(now.unix_ms);
        group.protocol_type = Some(PROTOCOL_TYPE.to_owned());
        group.generation = generation;
        for moved in members {
            if let Some(instance) = &moved.instance {
                group.instances.insert(instance.clone(), moved.id.clone());
            }
            group.leader.get_or_insert_with(|| moved.id.clone());
            let member = Member {
                instance: moved.instance,
                client_id: moved.client_id,
                client_host: moved.client_host,
                session_timeout_ms: moved.session_timeout_ms,
                rebalance_timeout_ms: moved.rebalance_timeout_ms,
                protocols: moved.protocols,
                assignment: moved.assignment,
                ..Member::default()
            };
            group.members.insert(moved.id, member);
        }
        group.protocol = group.vote();
        group.learn_subscription();
        group
    }

    /// It has begun: sessions run, and what the members no longer agree on is shared anew.
    pub fn settle(&mut self, shares_anew: bool, turn: &mut Turn<'_>) {
        self.begin_sessions(turn);
        if shares_anew && self.state == State::Stable {
            self.prepare(turn);
        }
    }
}
