//! ConsumerGroupHeartbeat: a member joins, goes on, or leaves.

use std::rc::Rc;

use super::Consumer;
use super::advance::Step;
use super::check::{JOINS, LEAVES, LEAVES_FOR_A_WHILE, fenced_instance, unknown_instance};
use super::member::{Held, Member};
use super::plan::{Plan, Refusal, Soft};
use super::record;
use crate::coordinator::group::request::{Beat, Beaten, Owned};
use crate::coordinator::group::turn::Turn;

/// What a heartbeat comes to.
pub(in crate::coordinator::group) enum Beating {
    /// The member stays, and is told this.
    Stays(Plan, Beaten),
    /// It goes for good, and is told this.
    Leaves(Rc<str>, Beaten),
}

impl Consumer {
    pub fn leaves(beat: &Beat) -> bool {
        matches!(beat.epoch, LEAVES | LEAVES_FOR_A_WHILE)
    }

    pub fn joins(beat: &Beat) -> bool {
        beat.epoch == JOINS
    }

    pub fn beat(&self, beat: &Beat, turn: &mut Turn<'_>) -> Result<Beating, Refusal> {
        match beat.epoch {
            LEAVES | LEAVES_FOR_A_WHILE => self.leave(beat),
            _ => self.stay(beat, turn),
        }
    }

    fn stay(&self, beat: &Beat, turn: &mut Turn<'_>) -> Result<Beating, Refusal> {
        self.check_room(&beat.member, beat.instance.as_deref(), turn)?;
        let id: Rc<str> = match beat.member.as_str() {
            "" => turn.uuid(),
            known => match self.members.get_key_value(known) {
                Some((id, _)) => id.clone(),
                None => known.into(),
            },
        };
        let mut plan = Plan::default();
        let seat = self.seat_of(&id, beat, &mut plan)?;
        let updated = seat.member.updated(beat);
        if Consumer::joins(beat) || updated.bytes() > seat.member.bytes() {
            self.check_bytes(&id, &updated, turn)?;
        }
        let step = Step {
            id: &id,
            before: &seat.member,
            updated,
            replaces: seat.replaces.as_ref(),
            owned: beat.owned.as_ref(),
            // A pattern that was not matched yet brings a new epoch when it is.
            shares_unmatched: false,
        };
        let updated = self.advance(step, turn, &mut plan)?;
        let config = turn.group_config(&self.id);
        plan.soft.push(Soft::Session(id.clone(), config.session_timeout_ms));
        let is_full = beat.rebalance_timeout_ms != -1
            && (beat.names.is_some() || beat.pattern.is_some())
            && beat.owned.is_some();
        let is_news = Consumer::joins(beat) || is_full || updated.assigned != seat.member.assigned;
        let beaten = Beaten {
            member: Some(id.to_string()),
            epoch: updated.epoch,
            interval_ms: config.heartbeat_interval_ms,
            assignment: is_news.then(|| partitions_of(&updated.assigned)),
            ..Beaten::default()
        };
        Ok(Beating::Stays(plan, beaten))
    }

    fn leave(&self, beat: &Beat) -> Result<Beating, Refusal> {
        let told = |epoch| Beaten { member: Some(beat.member.clone()), epoch, ..Beaten::default() };
        let Some(instance) = &beat.instance else {
            let known = self.members.get_key_value(beat.member.as_str());
            let (id, _) = known.ok_or_else(|| self.unknown(&beat.member))?;
            return Ok(Beating::Leaves(id.clone(), told(beat.epoch)));
        };
        let Some((id, member)) = self.member_of(instance) else {
            return Err(unknown_instance(instance));
        };
        if **id != *beat.member {
            return Err(fenced_instance(&beat.member, instance, id));
        }
        if beat.epoch == LEAVES {
            return Ok(Beating::Leaves(id.clone(), told(beat.epoch)));
        }
        // It will be back within its session, and keeps its place until then.
        let away = Member {
            epoch: LEAVES_FOR_A_WHILE,
            revoking: Rc::default(),
            assigned: Rc::new(without_epochs(&member.assigned)),
            ..member.clone()
        };
        let mut plan = Plan::default();
        plan.records.push(record::current(&self.id, id, &away));
        Ok(Beating::Stays(plan, told(LEAVES_FOR_A_WHILE)))
    }
}

fn without_epochs(held: &Held) -> Held {
    let without = |partitions: &std::collections::BTreeMap<i32, i32>| {
        partitions.keys().map(|&partition| (partition, 0)).collect()
    };
    held.iter().map(|(&topic, partitions)| (topic, without(partitions))).collect()
}

fn partitions_of(held: &Held) -> Owned {
    held.iter().map(|(&topic, held)| (topic, held.keys().copied().collect())).collect()
}
