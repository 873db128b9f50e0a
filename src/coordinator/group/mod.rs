//! Consumer groups: who is a member, who reads what, and up to where they have come. One
//! [`Groups`] keeps those of one partition of `__consumer_offsets`.
//!
//! A group is of a kind, which says how its members share; offsets are kept alike for all kinds. One
//! that nobody ever joined has offsets alone. Records are Kafka's, byte for byte.

pub mod assign;
mod classic;
mod commit;
mod delete;
mod expiry;
mod fetch;
mod list;
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
use offsets::Offsets;
use turn::{Alarm, Out, Turn};

/// How the members of a group share.
#[derive(Debug)]
enum Kind {
    Classic(Classic),
}

#[derive(Debug)]
struct Group {
    kind: Kind,
    offsets: Offsets,
}

impl Group {
    fn new(id: Rc<str>) -> Group {
        Group { kind: Kind::Classic(Classic::new(id)), offsets: Offsets::default() }
    }

    fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Classic(classic) => classic.is_empty(),
        }
    }

    fn is_subscribed(&self, topic: &str) -> bool {
        match &self.kind {
            Kind::Classic(classic) => classic.is_subscribed(topic),
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
}

impl Groups {
    /// Decides with the rules of one group, and what it adds to the outcome.
    fn with<T>(
        &mut self,
        group: &str,
        now: Now,
        decide: impl FnOnce(&mut Group, &mut Turn<'_>) -> T,
    ) -> Option<(T, Out)> {
        let Groups { rules, random, table, alarms, .. } = self;
        let group = table.get_mut(group)?;
        let mut turn = Turn { rules, now, random, alarms, out: Out::default() };
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
            let Kind::Classic(classic) = &mut group.kind;
            let founded = is_new.then(|| classic.record());
            classic.join(call, join, turn);
            if turn.out.records.is_empty() {
                // So that it is known that there is such a group.
                turn.write(founded);
            }
        });
        joined.map(|((), out)| out).unwrap_or_default()
    }

    /// A new group, which nobody has joined yet.
    fn found(&mut self, id: &str, now: Now) {
        let id: Rc<str> = id.into();
        let mut group = Group::new(id.clone());
        let Kind::Classic(classic) = &mut group.kind;
        classic.state_since_ms = Some(now.unix_ms);
        self.table.insert(id, group);
    }

    fn sync(&mut self, call: Call, group: &str, sync: Sync, now: Now) -> Out {
        let decided = self.with(group, now, |group, turn| {
            let Kind::Classic(classic) = &mut group.kind;
            classic.sync(call, sync, turn);
        });
        match decided {
            Some(((), out)) => out,
            None => Out::answer(call, Answer::Synced(Synced::refused(missing(group)))),
        }
    }

    fn heartbeat(&mut self, call: Call, group: &str, who: Identity, now: Now) -> Out {
        let decided = self.with(group, now, |group, turn| {
            let Kind::Classic(classic) = &mut group.kind;
            let code = classic.heartbeat(&who, turn);
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
        let decided = self.with(group, now, |group, turn| {
            let Kind::Classic(classic) = &mut group.kind;
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

    fn look(&mut self, alarm: Alarm, now: Now) -> Out {
        let mut look = |id: &Rc<str>, look: &dyn Fn(&mut Classic, &mut Turn<'_>)| {
            let looked = self.with(id, now, |group, turn| {
                let Kind::Classic(classic) = &mut group.kind;
                look(classic, turn);
            });
            looked.map(|((), out)| out).unwrap_or_default()
        };
        match alarm {
            Alarm::Session(id, member) => look(&id, &|group, turn| {
                group.look_at_session(&member, turn);
            }),
            Alarm::JoinEnds(id) => look(&id, &|group, turn| group.look_at_join(turn)),
            Alarm::SyncEnds(id) => look(&id, &|group, turn| group.look_at_sync(turn)),
            Alarm::Expiry => self.expire(now),
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
        let groups: Vec<Rc<str>> = self.table.keys().cloned().collect();
        for id in groups {
            let began = self.with(&id, now, |group, turn| {
                let Kind::Classic(classic) = &mut group.kind;
                classic.begin_sessions(turn);
            });
            all.answers.extend(began.into_iter().flat_map(|((), out)| out.answers));
        }
        self.expect_expiry(now);
        all
    }

    fn only_reads(request: &Request) -> bool {
        match request.ask {
            Ask::Heartbeat(_) | Ask::Fetch(_) | Ask::Describe | Ask::List { .. } => true,
            Ask::Join(_)
            | Ask::Sync(_)
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
            Ask::Leave(leavers) => self.leave(call, group, leavers, now),
            Ask::Commit(commit) => self.commit(call, group, commit, now),
            Ask::Fetch(fetch) => Outcome::answer(call, self.fetch(group, &fetch)),
            Ask::DeleteOffsets(topics) => self.delete_offsets(call, group, &topics, now),
            Ask::Describe => Outcome::answer(call, self.describe(group)),
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
            let out = self.look(alarm, now);
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
