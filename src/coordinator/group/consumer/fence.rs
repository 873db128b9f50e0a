//! Members go: because they say so, or because nothing was heard of them for too long.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::names::By;
use super::plan::Plan;
use super::{Consumer, record};
use crate::coordinator::group::turn::Turn;

impl Consumer {
    /// Takes these members out; what they had is shared anew with the next heartbeat of another.
    pub fn fence(&self, ids: &BTreeSet<Rc<str>>, turn: &mut Turn<'_>) -> Plan {
        let mut plan = Plan::default();
        let mut names = self.names.clone();
        let mut patterns: BTreeMap<&Rc<str>, u32> = BTreeMap::new();
        for id in ids {
            let Some(member) = self.members.get(id) else { continue };
            plan.records.extend(record::member_gone(&self.id, id));
            member.names.iter().for_each(|name| names.remove(name, By::Name));
            if !member.pattern.is_empty() {
                *patterns.entry(&member.pattern).or_default() += 1;
            }
        }
        if plan.records.is_empty() {
            return plan;
        }
        for (pattern, count) in patterns {
            if self.names.subscribers(pattern) == count {
                plan.records.push(record::pattern_gone(&self.id, pattern));
                let resolved = self.resolved.get(pattern);
                let topics = resolved.iter().flat_map(|resolved| resolved.topics.iter());
                topics.for_each(|name| names.remove(name, By::Pattern));
            }
        }
        let hash = turn.hashes.of_group(names.iter(), &*turn.rules.view);
        let epoch = self.epoch + 1;
        plan.records.push(record::epoch(&self.id, epoch, hash));
        if self.members.keys().all(|id| ids.contains(id)) {
            // Nothing is left to be shared, and whoever comes next need not wait for it.
            plan.records.push(record::assignment_epoch(&self.id, epoch, 0));
        }
        plan
    }
}
