//! Offsets that nobody has used for long, and groups of which nothing is left (KIP-211).

use std::rc::Rc;
use std::time::Duration;

use super::classic::{Classic, State};
use super::offsets::{self, Committed};
use super::turn::{Alarm, Out};
use super::{Group, Groups, Kind};
use crate::base::planted;
use crate::base::time::Instant;
use crate::coordinator::Now;

impl Groups {
    /// Sees to it that offsets are looked at, as long as there are groups.
    pub(super) fn expect_expiry(&mut self, now: Now) {
        if !self.table.is_empty() && !self.expiry.is_set() {
            let ms = self.rules.config.offsets_retention_check_interval_ms.max(1) as u64;
            self.expire_at(now.at + Duration::from_millis(ms));
        }
    }

    pub(super) fn expire_at(&mut self, at: Instant) {
        self.expiry.set(at, &mut self.alarms, || Alarm::Expiry);
    }

    /// The clock looks after offsets.
    pub(super) fn expire(&mut self, now: Now) -> Out {
        if !self.expiry.has_come(now.at, &mut self.alarms, || Alarm::Expiry) {
            return Out::default();
        }
        if !self.forgotten.is_empty() {
            let out = self.sweep(now);
            self.expect_expiry(now);
            return out;
        }
        let mut records = Vec::new();
        let retention_ms = i64::from(self.rules.config.offsets_retention_minutes) * 60_000;
        for (id, group) in &self.table {
            let expired = expired(group, now.unix_ms, retention_ms);
            let is_left = group.offsets.each().count() > expired.len();
            records.extend(expired.iter().map(|(topic, one)| offsets::tombstone(id, topic, *one)));
            if !is_left && is_over(group) {
                records.extend(group.tombstones(id));
            }
        }
        if self.cut_to_fit(&mut records, 0) {
            self.expect_expiry(now);
        } else {
            self.expire_at(now.at);
        }
        let ids: Vec<Rc<str>> = self.table.keys().cloned().collect();
        self.take(&records, None, now);
        // A name without a record of its own has none to take back.
        for id in ids {
            let gone = |group: &Group| group.offsets.is_empty() && is_over(group);
            if self.table.get(&id).is_some_and(gone) && records.is_empty() {
                self.table.remove(&id);
            }
        }
        Out { records, ..Out::default() }
    }
}

/// Whether nothing keeps the group but its offsets.
fn is_over(group: &Group) -> bool {
    let is_awaited = match &group.kind {
        Kind::Classic(classic) => classic.is_awaited(),
        Kind::Consumer(_) => false,
    };
    group.is_empty() && !is_awaited && !group.offsets.has_pending()
}

/// Kafka: offsetExpirationCondition of ClassicGroup and of ConsumerGroup.
fn expired(group: &Group, unix_ms: i64, retention_ms: i64) -> Vec<(String, i32)> {
    // Since when an offset is of no use.
    let since = |committed: &Committed| match &group.kind {
        Kind::Classic(classic) => unused_since(classic, committed),
        // Of topics that it no longer reads.
        Kind::Consumer(_) => Some(committed.commit_ms),
    };
    let is_read = |topic: &str| group.is_subscribed(topic) && !planted::is("expire-what-is-in-use");
    let is_expired = |(topic, partition, committed): &(&str, i32, &Committed)| {
        let over = match (since(committed), committed.expire_ms) {
            (None, _) => false,
            (Some(_), Some(expire_ms)) => unix_ms >= expire_ms,
            (Some(since), None) => unix_ms.saturating_sub(since) >= retention_ms,
        };
        over && !is_read(topic) && !group.offsets.is_pending(topic, *partition)
    };
    let expired = group.offsets.each().filter(is_expired);
    expired.map(|(topic, partition, _)| (topic.to_owned(), partition)).collect()
}

fn unused_since(classic: &Classic, committed: &Committed) -> Option<i64> {
    match classic.state {
        // Nobody has ever joined: the consumer keeps itself by committing.
        _ if classic.protocol_type.is_none() => Some(committed.commit_ms),
        State::Empty => Some(classic.state_since_ms.unwrap_or(committed.commit_ms)),
        // Of topics that it no longer reads.
        State::Stable if classic.uses_consumer_protocol() && classic.knows_subscription() => {
            Some(committed.commit_ms)
        }
        _ if planted::is("expire-what-is-in-use") => Some(committed.commit_ms),
        _ => None,
    }
}
