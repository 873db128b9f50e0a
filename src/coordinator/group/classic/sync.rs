//! SyncGroup: the leader hands in how it has shared, and each member is told its part.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Classic, State};
use crate::coordinator::Call;
use crate::coordinator::group::request::{Answer, Sync, Synced};
use crate::coordinator::group::turn::{Alarm, Turn};
use crate::model::ErrorCode;

impl Classic {
    pub(in crate::coordinator::group) fn sync(
        &mut self,
        call: Call,
        sync: Sync,
        turn: &mut Turn<'_>,
    ) {
        if let Err(error) = self.check_sync(&sync) {
            return turn.refuse_sync(call, error);
        }
        let id = sync.who.member.as_str();
        match self.state {
            State::Empty => turn.refuse_sync(call, ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance => {
                turn.refuse_sync(call, ErrorCode::REBALANCE_IN_PROGRESS);
            }
            State::Stable => {
                self.heard_of(id);
                let synced = self.as_synced(id);
                turn.answer(call, Answer::Synced(synced));
            }
            State::CompletingRebalance => {
                self.heard_of(id);
                if let Some(member) = self.members.get_mut(id)
                    && let Some(before) = member.syncing.replace(call)
                {
                    turn.refuse_sync(before, ErrorCode::UNKNOWN_MEMBER_ID);
                }
                if self.is_leader(id) {
                    self.share(sync.assignments, turn);
                }
            }
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), ErrorCode> {
        self.check(&sync.who)?;
        let differs = |said: &Option<String>, is: &Option<String>| said.is_some() && said != is;
        let inconsistent = differs(&sync.protocol_type, &self.protocol_type)
            || differs(&sync.protocol_name, &self.protocol);
        if inconsistent { Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL) } else { Ok(()) }
    }

    fn heard_of(&mut self, id: &str) {
        self.unsynced.remove(id);
        if self.unsynced.is_empty() {
            self.sync_ends.clear();
        }
    }

    /// Takes what the leader has shared; who was forgotten has nothing.
    fn share(&mut self, assignments: Vec<(String, Vec<u8>)>, turn: &mut Turn<'_>) {
        let mut assignments: BTreeMap<String, Vec<u8>> = assignments.into_iter().collect();
        for (id, member) in &mut self.members {
            member.assignment = assignments.remove(&**id).unwrap_or_default();
        }
        let record = self.record();
        if !turn.fits(std::slice::from_ref(&record)) {
            // Too large to be written down: all have to join again.
            self.members.values_mut().for_each(|member| member.assignment.clear());
            self.refuse_syncs(ErrorCode::UNKNOWN_SERVER_ERROR, turn);
            return self.prepare_or_go_on(turn);
        }
        self.transition(State::Stable, turn);
        let record = self.record();
        turn.write([record]);
        let ids: Vec<Rc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let synced = self.as_synced(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            let (session_ms, syncing) = (member.session_timeout_ms, member.syncing.take());
            if let Some(syncing) = syncing {
                turn.answer(syncing, Answer::Synced(synced));
                self.extend_session(&id, session_ms, turn);
            }
        }
    }

    fn as_synced(&self, id: &str) -> Synced {
        Synced {
            error: ErrorCode::NONE,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            assignment: self.members.get(id).map(|m| m.assignment.clone()).unwrap_or_default(),
        }
    }

    /// What was shared does not hold; who waits for its part is told why.
    pub(super) fn refuse_syncs(&mut self, error: ErrorCode, turn: &mut Turn<'_>) {
        let ids: Vec<Rc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.assignment.clear();
            let (session_ms, syncing) = (member.session_timeout_ms, member.syncing.take());
            if let Some(syncing) = syncing {
                turn.refuse_sync(syncing, error);
                self.extend_session(&id, session_ms, turn);
            }
        }
    }

    /// The clock looks after those who have joined and never asked for their part.
    pub(in crate::coordinator::group) fn look_at_sync(&mut self, turn: &mut Turn<'_>) {
        let id = self.id.clone();
        let due = self.sync_ends.has_come(turn.now.at, turn.alarms, || Alarm::SyncEnds(id));
        let shares = matches!(self.state, State::CompletingRebalance | State::Stable);
        if due && shares && !self.unsynced.is_empty() {
            let silent = std::mem::take(&mut self.unsynced);
            silent.iter().for_each(|id| self.take_out(id, turn));
            self.prepare(turn);
        }
    }
}
