//! The times of members: how long they may be silent, and how long they may keep what they have to give
//! up. They live in memory, and begin anew when the group is read from the log.

use std::rc::Rc;

use super::Consumer;
use super::member::State;
use super::plan::Soft;
use crate::coordinator::group::turn::{Alarm, Turn};
use crate::coordinator::timers::Deadline;

#[derive(Debug, Default)]
pub(super) struct Clock {
    session: Deadline,
    revocation: Deadline,
    /// The epoch that has to be left by then.
    revocation_epoch: i32,
    /// Until when one that speaks the classic protocol has to join again, and to ask for its part.
    join: Deadline,
    sync: Deadline,
}

impl Consumer {
    /// What moves with records that were carried out.
    pub fn carry_out(&mut self, soft: &[Soft], turn: &mut Turn<'_>) {
        for one in soft {
            match one {
                Soft::Session(id, ms) => self.extend_session(id, *ms, turn),
                Soft::Revocation(id, within) => self.expect_revocation(id, *within, turn),
                Soft::Joined(id, within_ms) => self.expect_sync(id, *within_ms, turn),
                Soft::Checked => self.is_checked = true,
                Soft::Resolve => {
                    self.is_resolving = true;
                    turn.alarms.look_at(turn.now.at, Alarm::Patterns(self.id.clone()));
                }
            }
        }
    }

    pub(super) fn extend_session(&mut self, id: &Rc<str>, ms: i32, turn: &mut Turn<'_>) {
        if self.members.contains_key(id) {
            let (at, group) = (turn.after_ms(ms), &self.id);
            let clock = self.clocks.entry(id.clone()).or_default();
            let alarm = || Alarm::Session(group.clone(), id.clone());
            clock.session.set(at, turn.alarms, alarm);
        }
    }

    fn expect_revocation(&mut self, id: &Rc<str>, within: Option<i32>, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get(id) else { return };
        let clock = self.clocks.entry(id.clone()).or_default();
        let Some(ms) = within else { return clock.revocation.clear() };
        clock.revocation_epoch = member.epoch;
        let (at, group) = (turn.after_ms(ms), &self.id);
        let alarm = || Alarm::Revocation(group.clone(), id.clone());
        clock.revocation.set(at, turn.alarms, alarm);
    }

    /// A member has joined by the classic protocol, and is to ask for its part.
    fn expect_sync(&mut self, id: &Rc<str>, within_ms: i32, turn: &mut Turn<'_>) {
        let (at, group) = (turn.after_ms(within_ms), &self.id);
        if let Some(clock) = self.clocks.get_mut(id) {
            clock.join.clear();
            clock.sync.set(at, turn.alarms, || Alarm::Sync(group.clone(), id.clone()));
        }
    }

    /// It has.
    pub(super) fn has_synced(&mut self, id: &Rc<str>, session_ms: i32, turn: &mut Turn<'_>) {
        if let Some(clock) = self.clocks.get_mut(id) {
            clock.sync.clear();
        }
        self.extend_session(id, session_ms, turn);
    }

    /// A member has to join again, from the first time on that it is told so.
    pub(super) fn expect_join(&mut self, id: &Rc<str>, within_ms: i32, turn: &mut Turn<'_>) {
        let (at, group) = (turn.after_ms(within_ms), &self.id);
        let clock = self.clocks.entry(id.clone()).or_default();
        if !clock.join.is_set() {
            clock.join.set(at, turn.alarms, || Alarm::Join(group.clone(), id.clone()));
        }
    }

    pub fn join_is_over(&mut self, id: &Rc<str>, turn: &mut Turn<'_>) -> bool {
        let group = &self.id;
        let alarm = || Alarm::Join(group.clone(), id.clone());
        let clock = self.clocks.get_mut(id);
        clock.is_some_and(|clock| clock.join.has_come(turn.now.at, turn.alarms, alarm))
    }

    pub fn sync_is_over(&mut self, id: &Rc<str>, turn: &mut Turn<'_>) -> bool {
        let group = &self.id;
        let alarm = || Alarm::Sync(group.clone(), id.clone());
        let clock = self.clocks.get_mut(id);
        clock.is_some_and(|clock| clock.sync.has_come(turn.now.at, turn.alarms, alarm))
    }

    /// All sessions begin now: the group was read from the log.
    pub fn begin_sessions(&mut self, turn: &mut Turn<'_>) {
        let session_ms = turn.group_config(&self.id).session_timeout_ms;
        let members: Vec<Rc<str>> = self.members.keys().cloned().collect();
        for id in members {
            self.extend_session(&id, session_ms, turn);
            let member = &self.members[&id];
            if member.state == State::UnrevokedPartitions {
                self.expect_revocation(&id, Some(member.rebalance_timeout_ms), turn);
            }
        }
    }

    /// The clock looks after a session: whether it is over.
    pub fn session_is_over(&mut self, id: &Rc<str>, turn: &mut Turn<'_>) -> bool {
        let group = &self.id;
        let alarm = || Alarm::Session(group.clone(), id.clone());
        let clock = self.clocks.get_mut(id);
        clock.is_some_and(|clock| clock.session.has_come(turn.now.at, turn.alarms, alarm))
    }

    /// The clock looks after what a member has to give up: whether it took too long.
    pub fn revocation_is_over(&mut self, id: &Rc<str>, turn: &mut Turn<'_>) -> bool {
        let group = &self.id;
        let alarm = || Alarm::Revocation(group.clone(), id.clone());
        let Some(clock) = self.clocks.get_mut(id) else { return false };
        clock.revocation.has_come(turn.now.at, turn.alarms, alarm)
            && self.members.get(id).is_some_and(|member| member.epoch == clock.revocation_epoch)
    }

    /// What was planned for patterns was too much: tries again later.
    pub fn resolve_later(&mut self, ms: i32, turn: &mut Turn<'_>) {
        self.is_resolving = true;
        turn.alarms.look_at(turn.after_ms(ms), Alarm::Patterns(self.id.clone()));
    }

    /// Whether patterns were to be matched, which they are with this.
    pub fn begin_to_resolve(&mut self) -> bool {
        std::mem::take(&mut self.is_resolving)
    }
}
