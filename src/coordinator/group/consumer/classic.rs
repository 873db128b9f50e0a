//! Members that speak the classic protocol in a group of the new one: they join, ask for their part
//! and send heartbeats as ever, and the broker shares for them (KIP-848, online migration). Their
//! generation is their epoch.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Consumer;
use super::advance::Step;
use super::check::{fenced_instance, unknown_instance};
use super::member::{ClassicPart, Member, State};
use super::plan::{Plan, Refusal, Soft};
use super::seat::Seat;
use crate::config::choice::MigrationPolicy;
use crate::coordinator::group::request::{
    Answer, Identity, Join, Joined, Leaver, Owned, Sync, Synced,
};
use crate::coordinator::group::turn::Turn;
use crate::coordinator::{Call, View};
use crate::model::ErrorCode;
use crate::wire::consumer_protocol::{self, PROTOCOL_TYPE, Subscription};
use crate::wire::versioned::{Versioned, version_of};

/// The newest form of what members are told, of which older ones know the beginning.
const ASSIGNMENT_VERSION_MAX: i16 = 3;

/// What a join comes to.
pub(in crate::coordinator::group) struct Joining {
    pub plan: Plan,
    pub joined: Joined,
    pub member: Rc<str>,
    pub updated: Member,
    /// The member whose place it takes, and after whom nobody speaks the new protocol.
    pub downgrades: Option<Rc<str>>,
    /// Partitions have to be shared anew.
    pub is_stale: bool,
}

impl Consumer {
    pub fn join(&self, join: &Join, turn: &mut Turn<'_>) -> Result<Joining, Box<Joined>> {
        let refuse = |code| Box::new(Joined::refused(code, ""));
        if turn.config().group_consumer_migration_policy == MigrationPolicy::Disabled {
            return Err(refuse(ErrorCode::INCONSISTENT_GROUP_PROTOCOL));
        }
        let is_unknown = join.member.is_empty();
        let id = match is_unknown {
            true => turn.uuid(),
            false => join.member.as_str().into(),
        };
        let instance = join.instance.as_deref();
        self.check_room(&id, instance, turn).map_err(|refusal| refuse(refusal.code))?;
        if !self.supports(join) {
            return Err(refuse(ErrorCode::INCONSISTENT_GROUP_PROTOCOL));
        }
        if join.needs_id && is_unknown {
            return Err(Box::new(Joined::refused(ErrorCode::MEMBER_ID_REQUIRED, &id)));
        }
        let planned = self.plan_join(join, &id, is_unknown, turn);
        planned.map_err(|refusal| refuse(refusal.code))
    }

    fn plan_join(
        &self,
        join: &Join,
        id: &Rc<str>,
        is_unknown: bool,
        turn: &mut Turn<'_>,
    ) -> Result<Joining, Refusal> {
        let mut plan = Plan::default();
        let Seat { member, replaces } = self.classic_seat(join, id, is_unknown, &mut plan)?;
        let malformed = |_| Refusal::new(ErrorCode::INCONSISTENT_GROUP_PROTOCOL, "");
        let (name, metadata) = &join.protocols[0];
        let subscription = Subscription::decode_newer(metadata).map_err(malformed)?;
        let updated = updated(&member, join, &subscription);
        self.check_bytes(id, &updated, turn)?;
        let owned = owned(&subscription, &*turn.rules.view);
        let replaced = join.instance.as_deref().and_then(|instance| self.member_of(instance));
        let downgrades = replaced
            .filter(|(old, member)| self.may_downgrade_without(old, member, turn))
            .map(|(old, _)| old.clone());
        let step = Step {
            id,
            before: &member,
            updated,
            replaces: replaces.as_ref(),
            owned: Some(&owned),
            shares_unmatched: true,
        };
        let (updated, is_stale) = match &downgrades {
            None => (self.advance(step, turn, &mut plan)?, false),
            Some(_) => self.advance_before_downgrade(step, turn, &mut plan)?,
        };
        if downgrades.is_none() {
            plan.soft.push(Soft::Session(id.clone(), join.session_timeout_ms));
            plan.soft.push(Soft::Joined(id.clone(), join.rebalance_timeout_ms));
        }
        let joined = Joined {
            error: ErrorCode::NONE,
            generation: updated.epoch,
            protocol_type: Some(PROTOCOL_TYPE.to_owned()),
            protocol_name: Some(name.clone()),
            member: id.to_string(),
            ..Joined::default()
        };
        Ok(Joining { plan, joined, member: id.clone(), updated, downgrades, is_stale })
    }

    fn classic_seat(
        &self,
        join: &Join,
        id: &Rc<str>,
        is_unknown: bool,
        plan: &mut Plan,
    ) -> Result<Seat, Refusal> {
        let known = || self.members.get(id).cloned().unwrap_or_default();
        let Some(instance) = &join.instance else {
            return Ok(Seat { member: known(), replaces: None });
        };
        match (self.member_of(instance), is_unknown) {
            (None, true) => Ok(Seat { member: known(), replaces: None }),
            (None, false) => Err(unknown_instance(instance)),
            // Whoever it was is thought to have come back.
            (Some((old, before)), true) => Ok(self.replace(old, before, id, plan)),
            (Some((holder, _)), false) if holder != id => {
                Err(fenced_instance(id, instance, holder))
            }
            (Some((_, member)), false) => Ok(Seat { member: member.clone(), replaces: None }),
        }
    }

    /// Whether one of the protocols is one that all who speak the classic protocol know.
    fn supports(&self, join: &Join) -> bool {
        let classic = || self.members.values().filter_map(|member| member.classic.as_ref());
        let all_know = |name: &str| {
            classic().all(|member| member.protocols.iter().any(|(known, _)| known == name))
        };
        join.protocol_type == PROTOCOL_TYPE && join.protocols.iter().any(|(name, _)| all_know(name))
    }

    /// The member that says it is this one, if it speaks the classic protocol.
    fn classic_member(&self, who: &Identity) -> Result<(Rc<str>, &Member), ErrorCode> {
        let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
        let found = match &who.instance {
            None => self.members.get_key_value(who.member.as_str()),
            Some(instance) => self.member_of(instance),
        };
        let (id, member) = found.ok_or(unknown)?;
        if **id != *who.member {
            return Err(ErrorCode::FENCED_INSTANCE_ID);
        }
        if member.classic.is_none() {
            return Err(unknown);
        }
        if who.generation != member.epoch {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        Ok((id.clone(), member))
    }

    pub fn sync(&mut self, call: Call, sync: &Sync, turn: &mut Turn<'_>) {
        let answer = match self.try_sync(sync, turn) {
            Ok(assignment) => Synced {
                error: ErrorCode::NONE,
                protocol_type: sync.protocol_type.clone(),
                protocol_name: sync.protocol_name.clone(),
                assignment,
            },
            Err(error) => Synced::refused(error),
        };
        turn.answer(call, Answer::Synced(answer));
    }

    fn try_sync(&mut self, sync: &Sync, turn: &mut Turn<'_>) -> Result<Vec<u8>, ErrorCode> {
        let (id, member) = self.classic_member(&sync.who)?;
        let classic = member.classic.clone().unwrap_or_default();
        let chosen = classic.protocols.first();
        let is_other = |said: &Option<String>, is: Option<&str>| {
            said.as_deref().is_some_and(|said| Some(said) != is)
        };
        if is_other(&sync.protocol_type, Some(PROTOCOL_TYPE))
            || is_other(&sync.protocol_name, chosen.map(|(name, _)| name.as_str()))
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if self.epoch > member.epoch && member.state != State::UnrevokedPartitions {
            let within_ms = member.rebalance_timeout_ms;
            self.expect_join(&id, within_ms, turn);
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        let metadata = chosen.map(|(_, metadata)| metadata.as_slice()).unwrap_or_default();
        let assignment = assignment(member, metadata, &*turn.rules.view);
        self.has_synced(&id, classic.session_timeout_ms, turn);
        Ok(assignment)
    }

    pub fn heartbeat(&mut self, who: &Identity, turn: &mut Turn<'_>) -> ErrorCode {
        let (id, member) = match self.classic_member(who) {
            Ok(found) => found,
            Err(error) => return error,
        };
        let (within_ms, rejoins) = (member.rebalance_timeout_ms, self.rejoins(&id, member));
        let session_ms = member.classic.as_ref().map_or(0, |classic| classic.session_timeout_ms);
        self.extend_session(&id, session_ms, turn);
        if rejoins {
            self.expect_join(&id, within_ms, turn);
            return ErrorCode::REBALANCE_IN_PROGRESS;
        }
        ErrorCode::NONE
    }

    /// Whether a member gets further when it joins again.
    fn rejoins(&self, id: &str, member: &Member) -> bool {
        let waits = || {
            let target = self.targets.get(id).cloned().unwrap_or_default();
            target.iter().any(|(&topic, partitions)| {
                let has = member.assigned.get(&topic);
                partitions.iter().any(|&one| {
                    has.is_none_or(|has| !has.contains_key(&one)) && self.is_held(topic, one)
                })
            })
        };
        match member.state {
            _ if member.epoch < self.epoch => true,
            State::UnrevokedPartitions => true,
            State::UnreleasedPartitions => !waits(),
            State::Stable | State::Unknown => false,
        }
    }

    /// Who leaves, and the code of each in order.
    pub fn leavers(&self, leavers: &[Leaver]) -> (BTreeSet<Rc<str>>, Vec<ErrorCode>) {
        let mut leaving = BTreeSet::new();
        let mut code = |leaver: &Leaver| match self.leaver(leaver) {
            Ok(id) => {
                leaving.insert(id);
                ErrorCode::NONE
            }
            Err(error) => error,
        };
        let codes = leavers.iter().map(&mut code).collect();
        (leaving, codes)
    }

    fn leaver(&self, leaver: &Leaver) -> Result<Rc<str>, ErrorCode> {
        let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
        let Some(instance) = &leaver.instance else {
            let known = self.members.get_key_value(leaver.member.as_str());
            return known.map(|(id, _)| id.clone()).ok_or(unknown);
        };
        let (id, _) = self.member_of(instance).ok_or(unknown)?;
        // An administrator names the instance alone.
        match leaver.member.is_empty() || **id == *leaver.member {
            true => Ok(id.clone()),
            false => Err(ErrorCode::FENCED_INSTANCE_ID),
        }
    }
}

fn updated(member: &Member, join: &Join, subscription: &Subscription<'_>) -> Member {
    let mut updated = member.clone();
    if let Some(instance) = &join.instance {
        updated.instance = Some(instance.as_str().into());
    }
    if let Some(rack) = subscription.rack_id.filter(|rack| !rack.is_empty()) {
        updated.rack = Some(rack.into());
    }
    if join.rebalance_timeout_ms != -1 {
        updated.rebalance_timeout_ms = join.rebalance_timeout_ms;
    }
    updated.subscribe(subscription.topics.iter().copied());
    updated.pattern = "".into();
    updated.come_from(&join.client_id, &join.client_host);
    updated.classic = Some(Rc::new(ClassicPart {
        session_timeout_ms: join.session_timeout_ms,
        protocols: join.protocols.clone(),
    }));
    updated
}

fn owned(subscription: &Subscription<'_>, view: &dyn View) -> Owned {
    let known = subscription.owned_partitions.iter().filter_map(|topic| {
        let facts = view.topic(topic.topic)?;
        Some((facts.id, topic.partitions.clone()))
    });
    known.collect()
}

/// What a member has, as members of classic groups are told it: in the form in which it spoke.
pub(super) fn assignment(member: &Member, metadata: &[u8], view: &dyn View) -> Vec<u8> {
    let version = version_of(metadata).unwrap_or(0).clamp(0, ASSIGNMENT_VERSION_MAX);
    let mut topics = Vec::with_capacity(member.assigned.len());
    for (&topic, partitions) in &*member.assigned {
        if let Some(name) = view.name_of(topic) {
            topics.push(consumer_protocol::TopicPartitions {
                topic: name,
                partitions: partitions.keys().copied().collect(),
            });
        }
    }
    let assignment = consumer_protocol::Assignment { assigned_partitions: topics, user_data: None };
    let mut bytes = Vec::new();
    assignment.encode(version, &mut bytes);
    bytes
}
