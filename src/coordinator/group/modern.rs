//! Groups of the new protocol among the others: how a plan of one of them is carried out, and which
//! of them have to look when topics change.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::consumer::{Beating, Consumer, Joining, Plan, Refusal, Soft, check_fields, upgraded};
use super::request::{Answer, Beat, Beaten, DescribedConsumer, Join, Joined, Leaver};
use super::turn::{Alarm, Out, Turn};
use super::{Group, Groups, Kind};
use crate::config::limits::GROUPS_PER_PARTITION_MAX;
use crate::coordinator::{Call, Now, Record, batch_bytes};
use crate::model::ErrorCode;

/// Before patterns are matched again of which too much came to be written down.
const HOPELESS_MS: i32 = 60_000;

impl Groups {
    pub(super) fn consumer(&self, id: &str) -> Option<&Consumer> {
        match &self.table.get(id)?.kind {
            Kind::Classic(_) => None,
            Kind::Consumer(consumer) => Some(consumer),
        }
    }

    pub(super) fn beat(&mut self, call: Call, id: &str, beat: &Beat, now: Now) -> Out {
        match self.try_beat(id, beat, now) {
            Ok((beaten, out)) => {
                let mut answers = out.answers;
                answers.push((call, Answer::Beaten(Box::new(beaten))));
                Out { answers, ..out }
            }
            Err(refusal) => Out::answer(call, refusal.beaten()),
        }
    }

    fn try_beat(&mut self, id: &str, beat: &Beat, now: Now) -> Result<(Beaten, Out), Refusal> {
        check_fields(id, beat, &self.rules.config)?;
        let (founded, records) = self.found_consumer(id, beat, now)?;
        let beating = self.plan(id, founded.as_ref(), now, |group, turn| group.beat(beat, turn))?;
        match beating {
            Beating::Stays(mut plan, beaten) => {
                plan.records.splice(0..0, records);
                plan.soft.splice(0..0, founded.iter().flat_map(Consumer::classic_sessions));
                self.check_size(&plan, 0)?;
                let waiting = self.dissolve(id, now);
                let mut out = self.carry_out(id, plan, 0, now)?;
                out.answers.extend(waiting);
                Ok((beaten, out))
            }
            Beating::Leaves(member, beaten) => {
                self.fence(id, BTreeSet::from([member]), 0, now).map(|out| (beaten, out))
            }
        }
    }

    /// The group that is to be asked: a new one if there is none yet, with what has to be written
    /// before all else; nothing if it is there as it has to be.
    fn found_consumer(
        &mut self,
        id: &str,
        beat: &Beat,
        now: Now,
    ) -> Result<(Option<Consumer>, Vec<Record>), Refusal> {
        let joins = Consumer::joins(beat);
        let not_found = |message| Err(Refusal::new(ErrorCode::GROUP_ID_NOT_FOUND, message));
        let Some((key, group)) = self.table.get_key_value(id) else {
            if !joins {
                return not_found(match Consumer::leaves(beat) {
                    true => format!("Group {id} not found."),
                    false => format!("Consumer group {id} not found."),
                });
            }
            if self.table.len() >= GROUPS_PER_PARTITION_MAX {
                let code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
                return Err(Refusal::new(code, code.message()));
            }
            return Ok((Some(Consumer::new(id.into())), Vec::new()));
        };
        let key = key.clone();
        match &group.kind {
            Kind::Consumer(_) => Ok((None, Vec::new())),
            Kind::Classic(_) if !joins => not_found(format!("Group {id} is not a consumer group.")),
            Kind::Classic(classic) if classic.is_empty() => {
                Ok((Some(Consumer::new(key)), group.tombstones(id)))
            }
            Kind::Classic(_) => {
                let mut records = group.tombstones(id);
                let upgraded = self.with(id, now, |group, turn| match &group.kind {
                    Kind::Classic(classic) => Some(upgraded(&key, classic, turn)),
                    Kind::Consumer(_) => None,
                });
                let Some((Some(upgraded), _)) = upgraded else {
                    return not_found(format!("Group {id} not found."));
                };
                let (consumer, made) = upgraded?;
                records.extend(made);
                Ok((Some(consumer), records))
            }
        }
    }

    /// A classic group is about to go over: whoever waits in it is told to join anew.
    fn dissolve(&mut self, id: &str, now: Now) -> Vec<(Call, Answer)> {
        let dissolved = self.with(id, now, |group, turn| {
            if let Some(classic) = group.classic() {
                classic.dissolve(turn);
            }
        });
        dissolved.map(|((), out)| out.answers).unwrap_or_default()
    }

    /// Has a group plan something, without doing it.
    pub(super) fn plan<T>(
        &mut self,
        id: &str,
        founded: Option<&Consumer>,
        now: Now,
        plan: impl FnOnce(&Consumer, &mut Turn<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let Groups { rules, random, table, alarms, hashes, newest_topics, .. } = self;
        let known = table.get(id).and_then(|group| match &group.kind {
            Kind::Classic(_) => None,
            Kind::Consumer(consumer) => Some(&**consumer),
        });
        let Some(group) = founded.or(known) else {
            let message = format!("Group {id} not found.");
            return Err(Refusal::new(ErrorCode::GROUP_ID_NOT_FOUND, message));
        };
        let (newest_topics, out) = (*newest_topics, Out::default());
        let mut turn = Turn { rules, now, random, alarms, hashes, newest_topics, out };
        plan(group, &mut turn)
    }

    /// Whether one batch takes what was planned beside so many bytes.
    fn check_size(&self, plan: &Plan, taken: usize) -> Result<(), Refusal> {
        if taken + batch_bytes(&plan.records) <= self.rules.batch_bytes_max {
            return Ok(());
        }
        let code = ErrorCode::UNKNOWN_SERVER_ERROR;
        Err(Refusal::new(code, "The group has become too large to be written down."))
    }

    /// Writes down and does what was planned, if one batch takes it.
    fn carry_out(&mut self, id: &str, plan: Plan, taken: usize, now: Now) -> Result<Out, Refusal> {
        self.check_size(&plan, taken)?;
        self.take(&plan.records, None, now);
        let done = self.with(id, now, |group, turn| {
            if let Some(consumer) = group.consumer() {
                consumer.carry_out(&plan.soft, turn);
            }
        });
        let out = done.map(|((), out)| out).unwrap_or_default();
        Ok(Out { records: plan.records, ..out })
    }

    /// Takes members out; who stays may be a classic group after that.
    pub(super) fn fence(
        &mut self,
        id: &str,
        members: BTreeSet<Rc<str>>,
        taken: usize,
        now: Now,
    ) -> Result<Out, Refusal> {
        let downgrades =
            self.plan(id, None, now, |group, turn| Ok(group.may_downgrade(&members, turn)))?;
        if downgrades {
            if let Some(out) = self.downgrade(id, &members, None, true, taken, now) {
                return Ok(out);
            }
            if taken > batch_bytes([]) {
                let code = ErrorCode::UNKNOWN_SERVER_ERROR;
                return Err(Refusal::new(code, "It does not fit beside what is there."));
            }
        }
        let plan = self.plan(id, None, now, |group, turn| Ok(group.fence(&members, turn)))?;
        self.carry_out(id, plan, taken, now)
    }

    /// A group goes back to the classic protocol; `None`: one batch does not take that, and it
    /// stays as it is.
    fn downgrade(
        &mut self,
        id: &str,
        leaving: &BTreeSet<Rc<str>>,
        joining: Option<Joining>,
        shares_anew: bool,
        taken: usize,
        now: Now,
    ) -> Option<Out> {
        let consumer = self.consumer(id)?;
        let joins = joining.as_ref().map(|joining| (&joining.member, &joining.updated));
        let classic = consumer.downgraded(leaving, joins, &*self.rules.view, now);
        let replaced = joining
            .as_ref()
            .and_then(|joining| Some((joining.downgrades.as_deref()?, &*joining.member)));
        let mut records = consumer.tombstones(replaced);
        if let Some(joining) = &joining {
            records.splice(0..0, joining.plan.records.iter().cloned());
        }
        let last = classic.record();
        if taken + batch_bytes(records.iter().chain([&last])) > self.rules.batch_bytes_max {
            return None;
        }
        self.take(&records, None, now);
        records.push(last);
        let key: Rc<str> = id.into();
        let offsets = self.table.remove(id).map(|group| group.offsets).unwrap_or_default();
        self.table.insert(key, Group { kind: Kind::Classic(Box::new(classic)), offsets });
        let settled = self.with(id, now, |group, turn| {
            if let Some(classic) = group.classic() {
                classic.settle(shares_anew, turn);
            }
        });
        let mut out = settled.map(|((), out)| out).unwrap_or_default();
        out.records.splice(0..0, records);
        Some(out)
    }

    /// A member joins by the classic protocol.
    pub(super) fn join_consumer(&mut self, call: Call, id: &str, join: Join, now: Now) -> Out {
        let refused = |joined| Out::answer(call, Answer::Joined(joined));
        let planned = self.plan(id, None, now, |group, turn| Ok(group.join(&join, turn)));
        let joining = match planned {
            Ok(Ok(joining)) => joining,
            Ok(Err(joined)) => return refused(joined),
            Err(refusal) => return refused(Box::new(Joined::refused(refusal.code, ""))),
        };
        let joined = joining.joined.clone();
        let done = match joining.downgrades.clone() {
            Some(last) => {
                let (leaving, is_stale) = (BTreeSet::from([last]), joining.is_stale);
                let out = self.downgrade(id, &leaving, Some(joining), is_stale, 0, now);
                let code = ErrorCode::UNKNOWN_SERVER_ERROR;
                out.ok_or_else(|| Refusal::new(code, code.message()))
            }
            None => self.carry_out(id, joining.plan, 0, now),
        };
        match done {
            Ok(mut out) => {
                out.answers.push((call, Answer::Joined(Box::new(joined))));
                out
            }
            Err(refusal) => refused(Box::new(Joined::refused(refusal.code, ""))),
        }
    }

    pub(super) fn leave_consumer(
        &mut self,
        call: Call,
        id: &str,
        leavers: &[Leaver],
        now: Now,
    ) -> Out {
        let left = |code, codes| Out::answer(call, Answer::Left(code, codes));
        let Some(consumer) = self.consumer(id) else {
            return left(ErrorCode::UNKNOWN_MEMBER_ID, Vec::new());
        };
        let (leaving, codes) = consumer.leavers(leavers);
        if leaving.is_empty() {
            return left(ErrorCode::NONE, codes);
        }
        match self.fence(id, leaving, 0, now) {
            Ok(mut out) => {
                out.answers.push((call, Answer::Left(ErrorCode::NONE, codes)));
                out
            }
            Err(refusal) => left(refusal.code, Vec::new()),
        }
    }

    /// The clock looks after a member: it goes if its time is over.
    pub(super) fn look_at_member(
        &mut self,
        alarm: &Alarm,
        id: &Rc<str>,
        member: &Rc<str>,
        taken: usize,
        now: Now,
    ) -> Option<Out> {
        let is_over = self.is_due(id, now, |group, turn| match alarm {
            Alarm::Session(..) => group.session_is_over(member, turn),
            Alarm::Revocation(..) => group.revocation_is_over(member, turn),
            Alarm::Join(..) => group.join_is_over(member, turn),
            Alarm::Sync(..) => group.sync_is_over(member, turn),
            _ => false,
        });
        if !is_over {
            return Some(Out::default());
        }
        match self.fence(id, BTreeSet::from([member.clone()]), taken, now) {
            Ok(out) => Some(out),
            // It does not fit beside what is there, and goes with the next batch.
            Err(_) => {
                let over = [Soft::Session(member.clone(), 0)];
                self.with(id, now, |group, turn| {
                    if let Some(consumer) = group.consumer() {
                        consumer.carry_out(&over, turn);
                    }
                });
                None
            }
        }
    }

    /// Matches the patterns of a group. `None`: what comes of it does not fit beside what is there.
    pub(super) fn look_at_patterns(&mut self, id: &Rc<str>, taken: usize, now: Now) -> Option<Out> {
        if !self.is_due(id, now, |group, _| group.begin_to_resolve()) {
            return Some(Out::default());
        }
        let plan = self.plan(id, None, now, |group, turn| Ok(group.resolve(turn))).ok()?;
        let bytes = batch_bytes(&plan.records);
        if taken + bytes <= self.rules.batch_bytes_max {
            return self.carry_out(id, plan, taken, now).ok();
        }
        // Beside others, or never: then it is tried again only now and then.
        let is_hopeless = bytes > self.rules.batch_bytes_max;
        let later_ms = if is_hopeless { HOPELESS_MS } else { 0 };
        self.with(id, now, |group, turn| {
            if let Some(consumer) = group.consumer() {
                consumer.resolve_later(later_ms, turn);
            }
        });
        is_hopeless.then(Out::default)
    }

    fn is_due(
        &mut self,
        id: &str,
        now: Now,
        look: impl FnOnce(&mut Consumer, &mut Turn<'_>) -> bool,
    ) -> bool {
        let looked = self
            .with(id, now, |group, turn| group.consumer().is_some_and(|group| look(group, turn)));
        looked.is_some_and(|(due, _)| due)
    }

    /// These topics came, went, or grew; `new`: there are some that were not there before. Groups
    /// that subscribe to them look at them with their next heartbeat.
    pub fn topics_changed(&mut self, names: &[String], new: bool) {
        if new {
            self.newest_topics = self.rules.view.version();
        }
        for name in names {
            self.hashes.forget(name);
            for id in self.by_topic.get(name.as_str()).into_iter().flatten() {
                if let Some(group) = self.table.get_mut(id).and_then(Group::consumer) {
                    group.topics_changed();
                }
            }
        }
    }

    /// A group has come to subscribe to topics, or no longer does.
    pub(super) fn note_shifts(&mut self, id: &Rc<str>, shifts: Vec<(Rc<str>, bool)>) {
        for (topic, subscribes) in shifts {
            if subscribes {
                self.by_topic.entry(topic).or_default().insert(id.clone());
            } else if let Some(groups) = self.by_topic.get_mut(&topic) {
                groups.remove(id);
                if groups.is_empty() {
                    self.by_topic.remove(&topic);
                    self.hashes.forget(&topic);
                }
            }
        }
    }

    pub(super) fn describe_consumer(&self, id: &str) -> Answer {
        let described = match self.table.get(id).map(|group| &group.kind) {
            Some(Kind::Consumer(consumer)) => {
                let assignors = &self.rules.config.group_consumer_assignors;
                consumer.describe(assignors, &*self.rules.view)
            }
            other => DescribedConsumer {
                error: ErrorCode::GROUP_ID_NOT_FOUND,
                message: Some(match other {
                    None => format!("Group {id} not found."),
                    Some(_) => format!("Group {id} is not a consumer group."),
                }),
                ..DescribedConsumer::default()
            },
        };
        Answer::DescribedConsumer(Box::new(described))
    }
}
