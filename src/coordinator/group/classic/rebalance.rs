//! From one generation to the next.

use std::rc::Rc;
use std::time::Duration;

use super::{Classic, State};
use crate::base::planted;
use crate::coordinator::group::turn::{Alarm, Turn};
use crate::model::ErrorCode;

impl Classic {
    /// Something has changed that the members must share anew; or somebody came whom a rebalance
    /// that is under way has waited for.
    pub(super) fn prepare_or_go_on(&mut self, turn: &mut Turn<'_>) {
        match self.state {
            State::PreparingRebalance => self.go_on(turn),
            State::Empty | State::CompletingRebalance | State::Stable => self.prepare(turn),
        }
    }

    /// Begins to wait for the members.
    pub(super) fn prepare(&mut self, turn: &mut Turn<'_>) {
        if self.state == State::CompletingRebalance {
            self.refuse_syncs(ErrorCode::REBALANCE_IN_PROGRESS, turn);
        }
        self.sync_ends.clear();
        self.transition(State::PreparingRebalance, turn);
        if !self.is_initial {
            return self.wait_for_joins(turn);
        }
        // A group that was empty gives others the time to come.
        let delay = ms(turn.config().group_initial_rebalance_delay_ms);
        self.joined_since = false;
        self.delay = delay;
        self.delay_left = ms(self.rebalance_timeout_ms()).saturating_sub(delay);
        self.join_ends_after(delay, turn);
    }

    /// Somebody joined or left while the group prepares.
    pub(super) fn go_on(&mut self, turn: &mut Turn<'_>) {
        if self.state == State::PreparingRebalance && !self.is_initial {
            self.wait_for_joins(turn);
        }
    }

    /// Ends the rebalance when all are there, or sees to it that it ends.
    fn wait_for_joins(&mut self, turn: &mut Turn<'_>) {
        if self.have_all_joined() {
            self.complete_join(turn);
        } else {
            self.join_ends_after(ms(self.rebalance_timeout_ms()), turn);
        }
    }

    pub(super) fn have_all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    fn join_ends_after(&mut self, after: Duration, turn: &mut Turn<'_>) {
        let id = self.id.clone();
        self.join_ends.set(turn.now.at + after, turn.alarms, || Alarm::JoinEnds(id));
    }

    fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// The clock looks after the time to join.
    pub(in crate::coordinator::group) fn look_at_join(&mut self, turn: &mut Turn<'_>) {
        let id = self.id.clone();
        let due = self.join_ends.has_come(turn.now.at, turn.alarms, || Alarm::JoinEnds(id));
        if !due || self.state != State::PreparingRebalance {
            return;
        }
        if self.is_initial && self.joined_since && !self.delay_left.is_zero() {
            // Others came: a little longer, and never longer than a rebalance may take.
            self.joined_since = false;
            let full = ms(turn.config().group_initial_rebalance_delay_ms);
            let delay = full.min(self.delay_left);
            self.delay_left = self.delay_left.saturating_sub(self.delay);
            self.delay = delay;
            return self.join_ends_after(delay, turn);
        }
        self.complete_join(turn);
    }

    /// The next generation has those members that have joined, and the static ones, whose sessions
    /// speak for them.
    pub(super) fn complete_join(&mut self, turn: &mut Turn<'_>) {
        self.join_ends.clear();
        let late = self.members.iter().filter(|(_, member)| member.joining.is_none());
        let gone: Vec<Rc<str>> = late
            .filter(|(_, member)| member.instance.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        gone.iter().for_each(|id| self.take_out(id, turn));
        if !self.elect() && !self.members.is_empty() {
            // Nobody is there to share: until a session ends, or somebody comes.
            return self.join_ends_after(ms(self.rebalance_timeout_ms()), turn);
        }
        if !planted::is("share-anew-in-the-same-generation") {
            self.generation += 1;
        }
        self.unsynced.clear();
        if self.members.is_empty() {
            self.protocol = None;
            self.learn_subscription();
            self.transition(State::Empty, turn);
            let record = self.record();
            return turn.write([record]);
        }
        self.protocol = self.vote();
        self.learn_subscription();
        self.transition(State::CompletingRebalance, turn);
        let ids: Vec<Rc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.as_joined(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.is_new = false;
            let (session_ms, joining) = (member.session_timeout_ms, member.joining.take());
            if let Some(joining) = joining {
                turn.joined(joining, joined);
            }
            self.extend_session(&id, session_ms, turn);
            self.unsynced.insert(id);
        }
        let (at, id) = (turn.after_ms(self.rebalance_timeout_ms()), self.id.clone());
        self.sync_ends.set(at, turn.alarms, || Alarm::SyncEnds(id));
    }

    /// Whether somebody who has joined leads; who leads and has not gives way.
    fn elect(&mut self) -> bool {
        let Some(leader) = self.leader.clone() else { return false };
        let has_joined = self.members.get(&leader).is_some_and(|member| member.joining.is_some());
        if has_joined {
            return true;
        }
        let mut joined = self.members.iter().filter(|(_, member)| member.joining.is_some());
        let Some(other) = joined.next().map(|(id, _)| id.clone()) else { return false };
        self.leader = Some(other);
        true
    }
}

fn ms(ms: i32) -> Duration {
    Duration::from_millis(ms.max(0) as u64)
}
