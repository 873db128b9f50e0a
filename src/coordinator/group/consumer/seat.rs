//! Who it is that speaks: a member that is known, a new one, or one that takes the place of another
//! with the same instance id (KIP-345).

use std::rc::Rc;

use super::check::{JOINS, LEAVES_FOR_A_WHILE, fenced_instance, unknown_instance};
use super::member::Member;
use super::plan::{Plan, Refusal};
use super::{Consumer, record};
use crate::base::planted;
use crate::coordinator::group::request::Beat;
use crate::model::ErrorCode;

/// A member as it was, and whose place it takes.
pub(super) struct Seat {
    pub member: Member,
    pub replaces: Option<Rc<str>>,
}

impl Consumer {
    pub(super) fn seat_of(
        &self,
        id: &Rc<str>,
        beat: &Beat,
        plan: &mut Plan,
    ) -> Result<Seat, Refusal> {
        match &beat.instance {
            None => self.dynamic_seat(id, beat),
            Some(instance) => self.static_seat(id, instance, beat, plan),
        }
    }

    fn dynamic_seat(&self, id: &str, beat: &Beat) -> Result<Seat, Refusal> {
        let known = self.members.get(id);
        let member = match (known, beat.epoch == JOINS) {
            (Some(member), _) => member.clone(),
            (None, true) => Member::default(),
            (None, false) => return Err(self.unknown(id)),
        };
        member.check_epoch(beat.epoch, beat.owned.as_ref())?;
        Ok(Seat { member, replaces: None })
    }

    fn static_seat(
        &self,
        id: &Rc<str>,
        instance: &str,
        beat: &Beat,
        plan: &mut Plan,
    ) -> Result<Seat, Refusal> {
        let holder = self.member_of(instance);
        if beat.epoch != JOINS {
            let Some((holder, member)) = holder else { return Err(unknown_instance(instance)) };
            if holder != id && !planted::is("let-two-members-be-one-instance") {
                return Err(fenced_instance(id, instance, holder));
            }
            member.check_epoch(beat.epoch, beat.owned.as_ref())?;
            return Ok(Seat { member: member.clone(), replaces: None });
        }
        let Some((holder, before)) = holder else {
            let member = self.members.get(id).cloned().unwrap_or_default();
            return Ok(Seat { member, replaces: None });
        };
        // Who speaks the classic protocol never says that it only leaves for a while.
        if before.classic.is_none() && before.epoch != LEAVES_FOR_A_WHILE {
            let message = format!(
                "Static member {id} with instance id {instance} cannot join the group because the \
                 instance id is owned by {holder} member."
            );
            return Err(Refusal::new(ErrorCode::UNRELEASED_INSTANCE_ID, message));
        }
        Ok(self.replace(holder, before, id, plan))
    }

    /// A member takes over what another was, under its own id.
    pub(super) fn replace(
        &self,
        old: &Rc<str>,
        before: &Member,
        id: &Rc<str>,
        plan: &mut Plan,
    ) -> Seat {
        let member = Member { epoch: 0, previous_epoch: 0, ..before.clone() };
        let target = self.targets.get(old).cloned().unwrap_or_default();
        plan.records.extend(record::member_gone(&self.id, old));
        plan.records.push(record::member(&self.id, id, &member));
        plan.records.push(record::target(&self.id, id, &target));
        plan.records.push(record::current(&self.id, id, &member));
        Seat { member, replaces: Some(old.clone()) }
    }
}
