//! A group of the new protocol goes back to the classic one when the last member leaves that speaks the new
//! one, and others are still there (KIP-848, online migration).

use std::collections::BTreeSet;
use std::rc::Rc;

use super::advance::Step;
use super::classic::assignment;
use super::member::Member;
use super::plan::{Plan, Refusal};
use super::reconcile::Reconciliation;
use super::{Consumer, record};
use crate::coordinator::Now;
use crate::coordinator::View;
use crate::coordinator::group::classic::{Classic, Moved};
use crate::coordinator::group::turn::Turn;

impl Consumer {
    /// Whether those who stay make a classic group.
    pub fn may_downgrade(&self, leaving: &BTreeSet<Rc<str>>, turn: &Turn<'_>) -> bool {
        let mut staying = self.members.iter().filter(|(id, _)| !leaving.contains(*id));
        let count = staying.clone().count();
        count > 0
            && staying.all(|(_, member)| member.classic.is_some())
            && turn.config().group_consumer_migration_policy.may_downgrade()
            && count <= turn.config().group_max_size as usize
    }

    /// Whether this member, which another takes the place of, is the last one that speaks the new
    /// protocol.
    pub(super) fn may_downgrade_without(
        &self,
        id: &Rc<str>,
        member: &Member,
        turn: &Turn<'_>,
    ) -> bool {
        let mut others = self.members.iter().filter(|(other, _)| *other != id);
        member.classic.is_none()
            && others.all(|(_, other)| other.classic.is_some())
            && turn.config().group_consumer_migration_policy.may_downgrade()
            && self.members.len() <= turn.config().group_max_size as usize
    }

    /// The step of the member that takes the last one's place: what is for it it gets now, unless
    /// partitions have to be shared anew, which the members do among themselves then.
    pub(super) fn advance_before_downgrade(
        &self,
        step: Step<'_>,
        turn: &mut Turn<'_>,
        plan: &mut Plan,
    ) -> Result<(Member, bool), Refusal> {
        let Step { id, before, updated, owned, .. } = step;
        let changed = updated.names != before.names || updated.pattern != before.pattern;
        if updated != *before {
            plan.records.push(record::member(&self.id, id, &updated));
        }
        let mut epoch = self.epoch;
        if changed || !self.is_checked {
            let names = self.names_after(before, &updated);
            epoch = self.next_epoch(&names, changed, turn, plan);
        }
        if self.assignment_epoch < epoch {
            return Ok((updated, true));
        }
        let target = self.target_of(id, updated.instance.as_deref());
        let reconciliation = Reconciliation {
            group: self,
            view: &*turn.rules.view,
            target_epoch: self.assignment_epoch,
            target: &target,
            subscription_changed: changed,
            owned,
        };
        Ok((reconciliation.of(&updated)?, false))
    }

    /// The classic group of those who stay, and of one who takes the place of another.
    pub fn downgraded(
        &self,
        leaving: &BTreeSet<Rc<str>>,
        joining: Option<(&Rc<str>, &Member)>,
        view: &dyn View,
        now: Now,
    ) -> Classic {
        let staying = self.members.iter().filter(|(id, _)| !leaving.contains(*id));
        let members = staying.chain(joining).filter_map(|(id, member)| {
            let classic = member.classic.as_ref()?;
            let metadata = classic.protocols.first().map(|(_, metadata)| metadata.as_slice());
            Some(Moved {
                id: id.clone(),
                instance: member.instance.as_deref().map(str::to_owned),
                client_id: member.client_id.to_string(),
                client_host: member.client_host.to_string(),
                session_timeout_ms: classic.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols: classic.protocols.clone(),
                assignment: assignment(member, metadata.unwrap_or_default(), view),
            })
        });
        Classic::of_moved(self.id.clone(), self.epoch, members.collect(), now)
    }
}
