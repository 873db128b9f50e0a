//! JoinGroup: who may come in, and what coming in sets off (KIP-62, KIP-345, KIP-394, KIP-814).

use std::rc::Rc;

use super::{Classic, Member, State};
use crate::config::limits::{GROUP_BATCHES_MAX, PENDING_MEMBERS_PER_GROUP_MAX};
use crate::coordinator::Call;
use crate::coordinator::group::request::{Answer, Join, Joined, JoinedMember, Protocols, Synced};
use crate::coordinator::group::turn::{Alarm, Turn};
use crate::coordinator::timers::Deadline;
use crate::model::ErrorCode;

/// What a new member waits for the end of a rebalance before it has to try again (Kafka:
/// `group.new.member.join.timeout.ms`). It cannot send heartbeats, and may be long gone.
const NEW_MEMBER_JOIN_MS: i32 = 5 * 60 * 1000;

impl Classic {
    pub(in crate::coordinator::group) fn join(
        &mut self,
        call: Call,
        join: Join,
        turn: &mut Turn<'_>,
    ) {
        if !self.accepts(&join.member, turn) {
            self.take_out(&join.member, turn);
            return turn.refuse_join(call, ErrorCode::GROUP_MAX_SIZE_REACHED, "");
        }
        let bytes = self.members.values().map(|member| bytes_of(&member.protocols)).sum::<usize>();
        if bytes + bytes_of(&join.protocols) > GROUP_BATCHES_MAX * turn.rules.batch_bytes_max {
            // It could not be written down anyway: each member's choice goes into one record.
            return turn.refuse_join(call, ErrorCode::GROUP_MAX_SIZE_REACHED, "");
        }
        if !self.supports(&join.protocol_type, &join.protocols) {
            let error = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
            return turn.refuse_join(call, error, &join.member);
        }
        if join.member.is_empty() {
            self.join_new(call, join, turn);
        } else {
            self.join_known(call, join, turn);
        }
    }

    /// Kafka: GroupMetadataManager.acceptJoiningMember. While a group prepares, those who wait are
    /// counted, so that the last to come are kept out of a group that has become too large.
    fn accepts(&self, member: &str, turn: &Turn<'_>) -> bool {
        let most = turn.config().group_max_size as usize;
        let known = self.members.get(member);
        match self.state {
            State::Empty => true,
            State::PreparingRebalance => {
                known.is_some_and(|known| known.joining.is_some()) || self.waiting() < most
            }
            State::CompletingRebalance | State::Stable => {
                known.is_some() || self.members.len() < most
            }
        }
    }

    fn waiting(&self) -> usize {
        self.members.values().filter(|member| member.joining.is_some()).count()
    }

    fn join_new(&mut self, call: Call, join: Join, turn: &mut Turn<'_>) {
        let id = turn.member_id(join.instance.as_deref().unwrap_or(&join.client_id));
        if let Some(instance) = &join.instance {
            match self.instances.get(instance).cloned() {
                Some(old) => self.replace(call, old, id, join, turn),
                None => self.admit(call, id, join, turn),
            }
        } else if join.needs_id {
            if self.pending.len() >= PENDING_MEMBERS_PER_GROUP_MAX {
                return turn.refuse_join(call, ErrorCode::GROUP_MAX_SIZE_REACHED, "");
            }
            let mut deadline = Deadline::default();
            let (at, group) = (turn.after_ms(join.session_timeout_ms), self.id.clone());
            deadline.set(at, turn.alarms, || Alarm::Session(group, id.clone()));
            turn.refuse_join(call, ErrorCode::MEMBER_ID_REQUIRED, &id);
            self.pending.insert(id, deadline);
        } else {
            self.admit(call, id, join, turn);
        }
    }

    fn join_known(&mut self, call: Call, join: Join, turn: &mut Turn<'_>) {
        let id = join.member.clone();
        if self.pending.contains_key(id.as_str()) {
            if join.instance.is_some() {
                // Static members are given no ids in advance.
                return turn.refuse_join(call, ErrorCode::UNKNOWN_SERVER_ERROR, &id);
            }
            return self.admit(call, id.into(), join, turn);
        }
        if let Err(error) = self.check_member(&id, join.instance.as_deref()) {
            return turn.refuse_join(call, error, &id);
        }
        let is_same = self.members[id.as_str()].protocols == join.protocols;
        match self.state {
            State::PreparingRebalance => self.rejoin(call, join, turn),
            // It has not heard the answer to its join.
            State::CompletingRebalance if is_same => {
                let joined = self.as_joined(&id);
                turn.joined(call, joined);
            }
            // A leader who joins again knows that something else has changed.
            State::Stable if is_same && !self.is_leader(&id) => {
                let joined = self.as_joined(&id);
                turn.joined(call, joined);
            }
            State::CompletingRebalance | State::Stable => self.rejoin(call, join, turn),
            State::Empty => turn.refuse_join(call, ErrorCode::UNKNOWN_MEMBER_ID, &id),
        }
    }

    /// A new member comes in.
    fn admit(&mut self, call: Call, id: Rc<str>, join: Join, turn: &mut Turn<'_>) {
        if self.state == State::PreparingRebalance && self.is_initial {
            self.joined_since = true;
        }
        self.pending.remove(&id);
        if let Some(instance) = &join.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        let mut member = Member { is_new: true, joining: Some(call), ..Member::default() };
        member.update(join);
        self.members.insert(id.clone(), member);
        self.extend_session(&id, NEW_MEMBER_JOIN_MS, turn);
        self.prepare_or_go_on(turn);
    }

    /// A member joins the next generation.
    fn rejoin(&mut self, call: Call, join: Join, turn: &mut Turn<'_>) {
        let id = join.member.clone();
        let Some(member) = self.members.get_mut(id.as_str()) else { return };
        let before = member.joining.replace(call);
        member.update(join);
        if let Some(before) = before {
            // It has asked again, on another connection perhaps: nobody waits there any more.
            turn.refuse_join(before, ErrorCode::UNKNOWN_MEMBER_ID, &id);
        }
        self.prepare_or_go_on(turn);
    }

    /// A static member came back without its id: it takes the place of the one it was.
    fn replace(&mut self, call: Call, old: Rc<str>, id: Rc<str>, join: Join, turn: &mut Turn<'_>) {
        let leader_before = self.leader.clone();
        let may_skip = join.may_skip_assignment;
        let Some(mut member) = self.members.remove(&old) else { return };
        let fenced = ErrorCode::FENCED_INSTANCE_ID;
        if let Some(joining) = member.joining.take() {
            turn.refuse_join(joining, fenced, &old);
        }
        if let Some(syncing) = member.syncing.take() {
            turn.refuse_sync(syncing, fenced);
        }
        self.unsynced.remove(&old);
        if self.is_leader(&old) {
            self.leader = Some(id.clone());
        }
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        let session_timeout_ms = join.session_timeout_ms;
        member.session = Deadline::default();
        member.is_new = false;
        member.update(join);
        member.joining = Some(call);
        self.members.insert(id.clone(), member);
        self.extend_session(&id, session_timeout_ms, turn);
        match self.state {
            State::Stable if self.vote() == self.protocol => {
                // Nothing has to be shared anew: only the id has changed, and that is written down.
                self.learn_subscription();
                let record = self.record();
                turn.write([record]);
                let mut joined = self.as_joined(&id);
                if may_skip {
                    joined.skip_assignment = self.is_leader(&id);
                } else {
                    // A leader of before must not share what nobody asks it to (KIP-814).
                    joined.members = Vec::new();
                    joined.leader = leader_before.as_deref().unwrap_or_default().to_owned();
                }
                if let Some(member) = self.members.get_mut(&id) {
                    member.joining = None;
                }
                turn.joined(call, joined);
            }
            State::Stable => self.prepare_or_go_on(turn),
            // The leader may be sharing for the old id at this very moment.
            State::CompletingRebalance => self.prepare(turn),
            State::PreparingRebalance | State::Empty => self.go_on(turn),
        }
    }

    /// The present generation, as this member is to see it.
    pub(super) fn as_joined(&self, id: &str) -> Joined {
        Joined {
            error: ErrorCode::NONE,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            leader: self.leader.as_deref().unwrap_or_default().to_owned(),
            skip_assignment: false,
            member: id.to_owned(),
            members: if self.is_leader(id) { self.for_leader() } else { Vec::new() },
        }
    }

    fn for_leader(&self) -> Vec<JoinedMember> {
        let Some(protocol) = self.protocol.as_deref() else { return Vec::new() };
        let member = |(id, member): (&Rc<str>, &Member)| JoinedMember {
            member: id.to_string(),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol).unwrap_or_default().to_vec(),
        };
        self.members.iter().map(member).collect()
    }

    /// Removes a member or an id that was given out; who waits in its name is told.
    pub(super) fn take_out(&mut self, id: &str, turn: &mut Turn<'_>) {
        self.pending.remove(id);
        self.unsynced.remove(id);
        if let Some(member) = self.members.remove(id) {
            if let Some(instance) = &member.instance {
                self.instances.remove(instance);
            }
            let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
            if let Some(joining) = member.joining {
                turn.refuse_join(joining, unknown, "");
            }
            if let Some(syncing) = member.syncing {
                turn.answer(syncing, Answer::Synced(Synced::refused(unknown)));
            }
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }
}

fn bytes_of(protocols: &Protocols) -> usize {
    protocols.iter().map(|(name, metadata)| name.len() + metadata.len()).sum()
}

impl Member {
    fn update(&mut self, join: Join) {
        self.instance = join.instance;
        self.client_id = join.client_id;
        self.client_host = join.client_host;
        self.session_timeout_ms = join.session_timeout_ms;
        self.rebalance_timeout_ms = join.rebalance_timeout_ms;
        self.protocols = join.protocols;
    }
}
