//! What is for whom: computed when the group's epoch has grown, at most once in a while, and written
//! down where it differs (Kafka: TargetAssignmentBuilder).

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::member::Member;
use super::plan::Plan;
use super::{Consumer, record};
use crate::coordinator::View;
use crate::coordinator::group::assign::{Assignment, Assignor, Subscriber};
use crate::coordinator::group::turn::Turn;
use crate::model::TopicId;

impl Consumer {
    /// What is for the member, and the epoch at which that was shared.
    #[expect(clippy::too_many_arguments, reason = "one member before, after, and in whose place")]
    pub(super) fn share(
        &self,
        epoch: i32,
        id: &Rc<str>,
        before: &Member,
        updated: &Member,
        replaces: Option<&Rc<str>>,
        turn: &mut Turn<'_>,
        plan: &mut Plan,
    ) -> (i32, Rc<Assignment>) {
        let interval_ms = turn.group_config(&self.id).assignment_interval_ms;
        let next_ms = self.assignment_ms.saturating_add(i64::from(interval_ms));
        let is_early = self.assignment_ms != 0 && interval_ms != 0 && turn.now.unix_ms < next_ms;
        if self.assignment_epoch >= epoch || is_early {
            return (self.assignment_epoch, self.target_of(id, updated.instance.as_deref()));
        }
        let mut subscribers = Subscribers::new(self, &*turn.rules.view);
        for (other, member) in &self.members {
            if other != id && Some(other) != replaces {
                let present = self.targets.get(other).cloned().unwrap_or_default();
                subscribers.add(other, member, present);
            }
        }
        let present = self.targets.get(replaces.unwrap_or(id)).cloned();
        subscribers.add(id, updated, present.clone().unwrap_or_default());
        let assignor = self.assignor(before, updated, turn);
        let mut shared = assignor.assign(&subscribers.all, &subscribers.topics);
        for other in subscribers.all.keys() {
            let target = shared.entry(other.clone()).or_default();
            let known = if other == id { present.as_ref() } else { self.targets.get(other) };
            if known != Some(target) {
                plan.records.push(record::target(&self.id, other, target));
            }
        }
        plan.records.push(record::assignment_epoch(&self.id, epoch, turn.now.unix_ms));
        (epoch, shared.remove(id).unwrap_or_default())
    }

    /// The way of sharing that most members ask for.
    fn assignor(&self, before: &Member, updated: &Member, turn: &Turn<'_>) -> Assignor {
        let name = self.preferred(Some((before, updated)), turn);
        Assignor::named(&name).unwrap_or(Assignor::Uniform)
    }

    /// Whether the members ask for another way of sharing when this one has changed.
    pub(super) fn prefers_otherwise(
        &self,
        before: &Member,
        updated: &Member,
        turn: &Turn<'_>,
    ) -> bool {
        before.assignor != updated.assignor
            && self.preferred(None, turn) != self.preferred(Some((before, updated)), turn)
    }

    pub(super) fn preferred(&self, change: Option<(&Member, &Member)>, turn: &Turn<'_>) -> Rc<str> {
        self.preferred_of(change, &turn.config().group_consumer_assignors)
    }

    pub(super) fn preferred_of(
        &self,
        change: Option<(&Member, &Member)>,
        known: &[String],
    ) -> Rc<str> {
        let mut counts: BTreeMap<&Rc<str>, i32> = BTreeMap::new();
        for name in self.members.values().filter_map(|member| member.assignor.as_ref()) {
            *counts.entry(name).or_default() += 1;
        }
        if let Some((before, updated)) = change {
            if let Some(name) = &before.assignor {
                *counts.entry(name).or_default() -= 1;
            }
            if let Some(name) = &updated.assignor {
                *counts.entry(name).or_default() += 1;
            }
        }
        // Of equals the last by name: that is where Kafka's table has it.
        let most = counts.into_iter().filter(|&(_, count)| count > 0).max_by_key(|&(_, n)| n);
        match (most, known.first()) {
            (Some((name, _)), _) => name.clone(),
            (None, Some(first)) => first.as_str().into(),
            (None, None) => Assignor::Uniform.name().into(),
        }
    }
}

/// Members as the assignors see them.
struct Subscribers<'a> {
    group: &'a Consumer,
    view: &'a dyn View,
    all: BTreeMap<Rc<str>, Subscriber>,
    topics: BTreeMap<TopicId, i32>,
    /// What the last one subscribes to; mostly the next one does, too.
    last: Option<(&'a Member, Rc<BTreeSet<TopicId>>)>,
}

impl<'a> Subscribers<'a> {
    fn new(group: &'a Consumer, view: &'a dyn View) -> Subscribers<'a> {
        Subscribers { group, view, all: BTreeMap::new(), topics: BTreeMap::new(), last: None }
    }

    fn add(&mut self, id: &Rc<str>, member: &'a Member, owned: Rc<Assignment>) {
        let topics = match &self.last {
            Some((last, topics))
                if last.names == member.names && last.pattern == member.pattern =>
            {
                topics.clone()
            }
            _ => self.topics_of(member),
        };
        self.last = Some((member, topics.clone()));
        let subscriber = Subscriber { instance: member.instance.clone(), topics, owned };
        self.all.insert(id.clone(), subscriber);
    }

    fn topics_of(&mut self, member: &Member) -> Rc<BTreeSet<TopicId>> {
        let resolved = self.group.resolved.get(&member.pattern);
        let matched = resolved.iter().flat_map(|resolved| resolved.topics.iter());
        let mut ids = BTreeSet::new();
        for name in member.names.iter().chain(matched) {
            if let Some(facts) = self.view.topic(name) {
                self.topics.insert(facts.id, facts.partitions);
                ids.insert(facts.id);
            }
        }
        Rc::new(ids)
    }
}
