//! Heartbeats, and what happens without them.

use std::rc::Rc;

use super::{Classic, State};
use crate::coordinator::group::request::Identity;
use crate::coordinator::group::turn::{Alarm, Turn};
use crate::model::ErrorCode;

impl Classic {
    pub(in crate::coordinator::group) fn heartbeat(
        &mut self,
        who: &Identity,
        turn: &mut Turn<'_>,
    ) -> ErrorCode {
        if let Err(error) = self.check(who) {
            return error;
        }
        match self.state {
            State::Empty => ErrorCode::UNKNOWN_MEMBER_ID,
            State::PreparingRebalance => {
                self.keep_alive(&who.member, turn);
                ErrorCode::REBALANCE_IN_PROGRESS
            }
            State::CompletingRebalance | State::Stable => {
                self.keep_alive(&who.member, turn);
                ErrorCode::NONE
            }
        }
    }

    /// A commit is a sign of life, too.
    pub(in crate::coordinator::group) fn committed(&mut self, member: &str, turn: &mut Turn<'_>) {
        if matches!(self.state, State::Stable | State::PreparingRebalance) {
            self.keep_alive(member, turn);
        }
    }

    fn keep_alive(&mut self, member: &str, turn: &mut Turn<'_>) {
        if let Some(session_ms) = self.members.get(member).map(|m| m.session_timeout_ms) {
            self.extend_session(member, session_ms, turn);
        }
    }

    pub(super) fn extend_session(&mut self, id: &str, ms: i32, turn: &mut Turn<'_>) {
        let (at, group) = (turn.after_ms(ms), &self.id);
        if let Some(member) = self.members.get_mut(id) {
            let alarm = || Alarm::Session(group.clone(), id.into());
            member.session.set(at, turn.alarms, alarm);
        }
    }

    /// All sessions begin now: the group was read from the log.
    pub(in crate::coordinator::group) fn begin_sessions(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<Rc<str>> = self.members.keys().cloned().collect();
        for id in &ids {
            self.keep_alive(id, turn);
        }
        if self.members.len() > turn.config().group_max_size as usize {
            self.prepare(turn);
        }
    }

    /// The clock looks after a session.
    pub(in crate::coordinator::group) fn look_at_session(
        &mut self,
        id: &Rc<str>,
        turn: &mut Turn<'_>,
    ) {
        let alarm = || Alarm::Session(self.id.clone(), id.clone());
        if let Some(given) = self.pending.get_mut(id) {
            if given.has_come(turn.now.at, turn.alarms, alarm) {
                self.pending.remove(id);
                self.less(turn);
            }
            return;
        }
        let Some(member) = self.members.get_mut(id) else { return };
        if !member.session.has_come(turn.now.at, turn.alarms, alarm) {
            return;
        }
        let waits = member.joining.is_some() || member.syncing.is_some();
        if waits && !member.is_new {
            // It waits for us, not we for it: its session begins with the answer.
            return;
        }
        self.take_out(id, turn);
        self.less(turn);
    }

    /// Somebody was taken out.
    pub(super) fn less(&mut self, turn: &mut Turn<'_>) {
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare(turn),
            State::PreparingRebalance if self.have_all_joined() => self.complete_join(turn),
            State::PreparingRebalance | State::Empty => {}
        }
    }
}
