//! One step of a member, and of the group with it: what has changed is written down, the group's
//! epoch grows if partitions have to be shared anew, they are, and the member goes as far towards what
//! is for it as it can.

use std::rc::Rc;

use super::member::{Member, State};
use super::names::{By, Names};
use super::pattern::Patterns;
use super::plan::{Plan, Refusal, Soft};
use super::reconcile::Reconciliation;
use super::{Consumer, record};
use crate::base::planted;
use crate::coordinator::group::request::Owned;
use crate::coordinator::group::turn::Turn;

pub(super) struct Step<'a> {
    pub id: &'a Rc<str>,
    pub before: &'a Member,
    /// As it is now.
    pub updated: Member,
    /// The member whose place it takes.
    pub replaces: Option<&'a Rc<str>>,
    /// What it says that it has, if it says so.
    pub owned: Option<&'a Owned>,
    /// Partitions are shared anew even for a pattern of which nothing is known yet.
    pub shares_unmatched: bool,
}

impl Consumer {
    /// Plans the step; returns the member as it is after it.
    pub(super) fn advance(
        &self,
        step: Step<'_>,
        turn: &mut Turn<'_>,
        plan: &mut Plan,
    ) -> Result<Member, Refusal> {
        let Step { id, before, updated, replaces, owned, shares_unmatched } = step;
        let mut names_changed = false;
        if updated != *before {
            plan.records.push(record::member(&self.id, id, &updated));
            names_changed = updated.names != before.names;
        }
        let patterns = self.look_at_patterns(before, &updated, turn, plan)?;
        let shares = names_changed
            || patterns == Patterns::ChangedAndMatched
            || (shares_unmatched && patterns != Patterns::Same)
            || self.prefers_otherwise(before, &updated, turn);
        let mut epoch = self.epoch;
        if shares || !self.is_checked {
            let names = self.names_after(before, &updated);
            epoch = self.next_epoch(&names, shares, turn, plan);
        }
        let (target_epoch, target) = self.share(epoch, id, before, &updated, replaces, turn, plan);
        let reconciliation = Reconciliation {
            group: self,
            view: &*turn.rules.view,
            target_epoch,
            target: &target,
            subscription_changed: names_changed || patterns != Patterns::Same,
            owned,
        };
        let reached = reconciliation.of(&updated)?;
        if reached != updated {
            plan.records.push(record::current(&self.id, id, &reached));
            if reached.classic.is_none() {
                let revokes = reached.state == State::UnrevokedPartitions;
                let within = revokes.then_some(reached.rebalance_timeout_ms);
                plan.soft.push(Soft::Revocation(id.clone(), within));
            }
        }
        Ok(reached)
    }

    /// Looks at the topics subscribed to; the group's epoch from now on.
    pub(super) fn next_epoch(
        &self,
        names: &Names,
        shares: bool,
        turn: &mut Turn<'_>,
        plan: &mut Plan,
    ) -> i32 {
        let hash = turn.hashes.of_group(names.iter(), &*turn.rules.view);
        let mut epoch = self.epoch;
        if shares || hash != self.hash {
            if !planted::is("share-anew-in-the-same-epoch") {
                epoch += 1;
            }
            plan.records.push(record::epoch(&self.id, epoch, hash));
        }
        plan.soft.push(Soft::Checked);
        if self.has_old_topics {
            plan.records.push(record::old_topics_gone(&self.id));
        }
        epoch
    }

    /// What the group subscribes to when a member has changed.
    pub(super) fn names_after(&self, before: &Member, updated: &Member) -> Names {
        let mut names = self.names.clone();
        if before.names != updated.names {
            before.names.iter().for_each(|name| names.remove(name, By::Name));
            updated.names.iter().for_each(|name| names.add(name, By::Name));
        }
        if before.pattern != updated.pattern {
            // The last one to subscribe by a pattern takes along what it means.
            if self.names.subscribers(&before.pattern) == 1
                && let Some(resolved) = self.resolved.get(&before.pattern)
            {
                resolved.topics.iter().for_each(|name| names.remove(name, By::Pattern));
            }
        }
        names
    }
}
