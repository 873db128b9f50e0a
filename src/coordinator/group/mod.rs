//! Consumer groups: who is a member, who reads what, and up to where they have come. One
//! [`Groups`] keeps those of one partition of `__consumer_offsets`.
//!
//! A group is of a kind, which says how its members share; offsets are kept alike for all kinds. One
//! that nobody ever joined has offsets alone. Records are Kafka's, byte for byte.

pub mod assign;
mod classic;
mod commit;
mod consumer;
mod delete;
mod expiry;
mod fetch;
mod list;
mod modern;
mod offsets;
mod replay;
mod request;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::rc::Rc;

pub use request::*;

use super::timers::{Deadline, Timers};
use super::{Call, Entry, Machine, Now, Outcome, Rules, Seed};
use crate::base::prng::Prng;
use crate::base::time::Instant;
use crate::config::limits::GROUPS_PER_PARTITION_MAX;
use crate::model::ErrorCode;
use classic::Classic;
use consumer::{Consumer, Hashes};
use offsets::Offsets;
use turn::{Alarm, Out, Turn};

/// How the members of a group share.
#[derive(Debug)]
enum Kind {
    Classic(Box<Classic>),
    Consumer(Box<Consumer>),
}

#[derive(Debug)]
struct Group {
    kind: Kind,
    offsets: Offsets,
}

impl Group {
    fn new(id: Rc<str>) -> Group {
        Group { kind: Kind::Classic(Box::new(Classic::new(id))), offsets: Offsets::default() }
    }

    fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Classic(classic) => classic.is_empty(),
            Kind::Consumer(consumer) => consumer.is_empty(),
        }
    }

    fn is_subscribed(&self, topic: &str) -> bool {
        match &self.kind {
            Kind::Classic(classic) => classic.is_subscribed(topic),
            Kind::Consumer(consumer) => consumer.is_subscribed(topic),
        }
    }

    fn classic(&mut self) -> Option<&mut Classic> {
        match &mut self.kind {
            Kind::Classic(classic) => Some(classic),
            Kind::Consumer(_) => None,
        }
    }

    fn consumer(&mut self) -> Option<&mut Consumer> {
        match &mut self.kind {
            Kind::Classic(_) => None,
            Kind::Consumer(consumer) => Some(consumer),
        }
    }
}

pub struct Groups {
    rules: Rules,
    random: Prng,
    table: BTreeMap<Rc<str>, Group>,
    /// Producers with transactions that are not decided, and the groups they have committed for.
    writers: BTreeMap<i64, BTreeSet<Rc<str>>>,
    /// How many commits were applied.
    applied: u64,
    alarms: Timers<Alarm>,
    expiry: Deadline,
    /// Deleted topics for which offsets may still be there.
    forgotten: BTreeSet<String>,
    /// Groups of the new protocol, by the topics that they subscribe to.
    by_topic: BTreeMap<Rc<str>, BTreeSet<Rc<str>>>,
    hashes: Hashes,
    /// The version of the view in which topics last came.
    newest_topics: u64,
}

impl Groups {
    /// Decides with the rules of one group, and what it adds to the outcome.
    fn with<T>(
        &mut self,
        group: &str,
        now: Now,
        decide: impl FnOnce(&mut Group, &mut Turn<'_>) -> T,
    ) -> Option<(T, Out)> {
        let Groups { rules, random, table, alarms, hashes, newest_topics, .. } = self;
        let group = table.get_mut(group)?;
        let (newest_topics, out) = (*newest_topics, Out::default());
        let mut turn = Turn { rules, now, random, alarms, hashes, newest_topics, out };
        let decided = decide(group, &mut turn);
        Some((decided, turn.out))
    }

    fn join(&mut self, call: Call, group: &str, join: Join, now: Now) -> Out {
        let refuse = |error, join: &Join| {
            Out::answer(call, Answer::Joined(Box::new(Joined::refused(error, &join.member))))
        };
        let config = &self.rules.config;
        let sessions = config.group_min_session_timeout_ms..=config.group_max_session_timeout_ms;
        if group.is_empty() {
            return refuse(ErrorCode::INVALID_GROUP_ID, &join);
        }
        if !sessions.contains(&join.session_timeout_ms) {
            return refuse(ErrorCode::INVALID_SESSION_TIMEOUT, &join);
        }
        let mut cleared = Vec::new();
        if let Some(consumer) = self.consumer(group) {
            if !consumer.is_empty() {
                return self.join_consumer(call, group, join, now);
            }
            if join.member.is_empty() {
                // Nobody is left who spoke the new protocol.
                cleared = consumer.tombstones(None);
                self.take(&cleared, None, now);
            } else {
                return refuse(ErrorCode::UNKNOWN_MEMBER_ID, &join);
            }
        }
        let is_new = !self.table.contains_key(group);
        if is_new {
            if !join.member.is_empty() {
                return refuse(ErrorCode::UNKNOWN_MEMBER_ID, &join);
            }
            if self.table.len() >= GROUPS_PER_PARTITION_MAX {
                return refuse(ErrorCode::COORDINATOR_NOT_AVAILABLE, &join);
            }
            self.found(group, now);
        }
        let joined = self.with(group, now, |group, turn| {
            let Some(classic) = group.classic() else { return };
            let founded = is_new.then(|| classic.record());
            classic.join(call, join, turn);
            if turn.out.records.is_empty() {
                // So that it is known that there is such a group.
                turn.write(founded);
            }
        });
        let mut out = joined.map(|((), out)| out).unwrap_or_default();
        out.records.splice(0..0, cleared);
        out
    }

    /// A new group, which nobody has joined yet.
    fn found(&mut self, id: &str, now: Now) {
        let id: Rc<str> = id.into();
        let mut group = Group::new(id.clone());
        if let Some(classic) = group.classic() {
            classic.state_since_ms = Some(now.unix_ms);
        }
        self.table.insert(id, group);
    }

    fn sync(&mut self, call: Call, group: &str, sync: Sync, now: Now) -> Out {
        let decided = self.with(group, now, |group, turn| match &mut group.kind {
            Kind::Classic(classic) => classic.sync(call, sync, turn),
            Kind::Consumer(consumer) => consumer.sync(call, &sync, turn),
        });
        match decided {
            Some(((), out)) => out,
            None => Out::answer(call, Answer::Synced(Synced::refused(missing(group)))),
        }
    }

    fn heartbeat(&mut self, call: Call, group: &str, who: Identity, now: Now) -> Out {
        let decided = self.with(group, now, |group, turn| {
            let code = match &mut group.kind {
                Kind::Classic(classic) => classic.heartbeat(&who, turn),
                Kind::Consumer(consumer) => consumer.heartbeat(&who, turn),
            };
            turn.answer(call, Answer::Code(code));
        });
        match decided {
            Some(((), out)) => out,
            None => Out::answer(call, Answer::Code(missing(group))),
        }
    }

    fn leave(&mut self, call: Call, group: &str, leavers: Vec<Leaver>, now: Now) -> Out {
        if group.is_empty() {
            return Out::answer(call, Answer::Left(ErrorCode::INVALID_GROUP_ID, Vec::new()));
        }
        if self.consumer(group).is_some() {
            return self.leave_consumer(call, group, &leavers, now);
        }
        let decided = self.with(group, now, |group, turn| {
            let Some(classic) = group.classic() else { return };
            let codes = classic.leave(&leavers, turn);
            turn.answer(call, Answer::Left(ErrorCode::NONE, codes));
        });
        match decided {
            Some(((), out)) => out,
            None => {
                let codes = vec![ErrorCode::UNKNOWN_MEMBER_ID; leavers.len()];
                Out::answer(call, Answer::Left(ErrorCode::NONE, codes))
            }
        }
    }

    /// Looks at what an alarm is for. `taken`: bytes of the batch that are filled. `None`: it does
    /// not fit beside them, and the alarm goes off again.
    fn look(&mut self, alarm: Alarm, taken: usize, now: Now) -> Option<Out> {
        let is_new_kind = matches!(&alarm, Alarm::Session(id, _) if self.consumer(id).is_some());
        let mut look = |id: &Rc<str>, look: &dyn Fn(&mut Classic, &mut Turn<'_>)| {
            let looked = self.with(id, now, |group, turn| {
                if let Some(classic) = group.classic() {
                    look(classic, turn);
                }
            });
            looked.map(|((), out)| out).unwrap_or_default()
        };
        match &alarm {
            Alarm::Session(id, member) if !is_new_kind => {
                Some(look(id, &|group, turn| group.look_at_session(member, turn)))
            }
            Alarm::JoinEnds(id) => Some(look(id, &|group, turn| group.look_at_join(turn))),
            Alarm::SyncEnds(id) => Some(look(id, &|group, turn| group.look_at_sync(turn))),
            Alarm::Expiry => Some(self.expire(now)),
            Alarm::Session(id, member)
            | Alarm::Revocation(id, member)
            | Alarm::Join(id, member)
            | Alarm::Sync(id, member) => self.look_at_member(&alarm, id, member, taken, now),
            Alarm::Patterns(id) => self.look_at_patterns(id, taken, now),
        }
    }
}

/// What a member of a group that does not exist is told.
fn missing(group: &str) -> ErrorCode {
    match group.is_empty() {
        true => ErrorCode::INVALID_GROUP_ID,
        false => ErrorCode::UNKNOWN_MEMBER_ID,
    }
}

impl Machine for Groups {
    type Request = Request;
    type Answer = Answer;
    type Effect = Infallible;

    fn new(seed: Seed) -> Groups {
        Groups {
            rules: seed.rules,
            random: seed.random,
            table: BTreeMap::new(),
            writers: BTreeMap::new(),
            applied: 0,
            alarms: Timers::default(),
            expiry: Deadline::default(),
            forgotten: BTreeSet::new(),
            by_topic: BTreeMap::new(),
            hashes: Hashes::default(),
            newest_topics: 0,
        }
    }

    fn obey(&mut self, rules: Rules) {
        self.rules = rules;
    }

    fn apply(&mut self, entry: Entry<'_>, now: Now) {
        self.replay(entry, now);
    }

    fn loaded(&mut self, now: Now) -> Out {
        let mut all = Out::default();
        // What has come meanwhile is not known.
        self.hashes.clear();
        self.newest_topics = self.rules.view.version();
        let groups: Vec<Rc<str>> = self.table.keys().cloned().collect();
        for id in groups {
            let began = self.with(&id, now, |group, turn| match &mut group.kind {
                Kind::Classic(classic) => classic.begin_sessions(turn),
                Kind::Consumer(consumer) => consumer.begin_sessions(turn),
            });
            all.answers.extend(began.into_iter().flat_map(|((), out)| out.answers));
        }
        self.expect_expiry(now);
        all
    }

    fn only_reads(request: &Request) -> bool {
        match request.ask {
            Ask::Heartbeat(_)
            | Ask::Fetch(_)
            | Ask::Describe
            | Ask::DescribeConsumer
            | Ask::List { .. } => true,
            Ask::Join(_)
            | Ask::Sync(_)
            | Ask::Beat(_)
            | Ask::Leave(_)
            | Ask::Commit(_)
            | Ask::DeleteOffsets(_)
            | Ask::Delete
            | Ask::ForgetTopics(_) => false,
        }
    }

    fn decide(&mut self, call: Call, request: Request, now: Now) -> Out {
        let group = request.group.as_str();
        let out = match request.ask {
            Ask::Join(join) => self.join(call, group, *join, now),
            Ask::Sync(sync) => self.sync(call, group, *sync, now),
            Ask::Heartbeat(who) => self.heartbeat(call, group, who, now),
            Ask::Beat(beat) => self.beat(call, group, &beat, now),
            Ask::Leave(leavers) => self.leave(call, group, leavers, now),
            Ask::Commit(commit) => self.commit(call, group, commit, now),
            Ask::Fetch(fetch) => Outcome::answer(call, self.fetch(group, &fetch)),
            Ask::DeleteOffsets(topics) => self.delete_offsets(call, group, &topics, now),
            Ask::Describe => Outcome::answer(call, self.describe(group)),
            Ask::DescribeConsumer => Outcome::answer(call, self.describe_consumer(group)),
            Ask::Delete => self.delete(call, group, now),
            Ask::List { states, types } => Outcome::answer(call, self.list(&states, &types)),
            Ask::ForgetTopics(topics) => self.forget(topics, now),
        };
        self.expect_expiry(now);
        out
    }

    fn wake_at(&self) -> Option<Instant> {
        self.alarms.next()
    }

    fn elapse(&mut self, now: Now) -> Out {
        let mut all = Out::default();
        while let Some(alarm) = self.alarms.pop_due(now.at) {
            let taken = super::batch_bytes(&all.records);
            let Some(out) = self.look(alarm, taken, now) else { break };
            all.answers.extend(out.answers);
            all.records.extend(out.records);
            if super::batch_bytes(&all.records) > self.rules.batch_bytes_max / 2 {
                // The rest goes into a batch of its own, at once.
                break;
            }
        }
        all
    }
}

#[cfg(test)]
mod tests;
