//! What one group has committed, and what transactions have that are not decided yet.

use std::collections::BTreeMap;

use crate::base::planted;
use crate::coordinator::Record;
use crate::wire::internal::Key;
use crate::wire::internal::offset_commit::{OffsetCommitKey, OffsetCommitValue};
use crate::wire::versioned::Versioned;

/// What Kafka writes: with an expiry of its own, and without.
const VERSION_WITH_EXPIRY: i16 = 1;
const VERSION: i16 = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Committed {
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: Box<str>,
    pub commit_ms: i64,
    /// Older clients may say how long it is to be kept.
    pub expire_ms: Option<i64>,
    /// Its place among all that was committed in this partition: what came later counts.
    pub order: u64,
}

type ByTopic = BTreeMap<String, BTreeMap<i32, Committed>>;

#[derive(Debug, Default)]
pub(super) struct Offsets {
    committed: ByTopic,
    /// By producer.
    pending: BTreeMap<i64, ByTopic>,
}

/// What a commit says.
pub(super) fn record(group: &str, topic: &str, partition: i32, committed: &Committed) -> Record {
    let value = OffsetCommitValue {
        offset: committed.offset,
        leader_epoch: committed.leader_epoch,
        metadata: &committed.metadata,
        commit_timestamp: committed.commit_ms,
        expire_timestamp: committed.expire_ms.unwrap_or(-1),
        ..OffsetCommitValue::default()
    };
    let version = if committed.expire_ms.is_some() { VERSION_WITH_EXPIRY } else { VERSION };
    let mut bytes = Vec::new();
    value.encode(version, &mut bytes);
    Record { key: key(group, topic, partition), value: Some(bytes) }
}

pub(super) fn tombstone(group: &str, topic: &str, partition: i32) -> Record {
    Record { key: key(group, topic, partition), value: None }
}

fn key(group: &str, topic: &str, partition: i32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(group.len() + topic.len() + 10);
    OffsetCommitKey { group, topic, partition }.encode_key(&mut bytes);
    bytes
}

impl Committed {
    pub fn of(value: &OffsetCommitValue<'_>, order: u64) -> Committed {
        Committed {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.into(),
            commit_ms: value.commit_timestamp,
            expire_ms: Some(value.expire_timestamp).filter(|&ms| ms >= 0),
            order,
        }
    }
}

impl Offsets {
    pub fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    pub fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.committed.get(topic)?.get(&partition)
    }

    pub fn topics(&self) -> impl Iterator<Item = (&str, &BTreeMap<i32, Committed>)> {
        self.committed.iter().map(|(topic, partitions)| (topic.as_str(), partitions))
    }

    /// Whether a transaction may still change it.
    pub fn is_pending(&self, topic: &str, partition: i32) -> bool {
        let mut pending = self.pending.values().filter_map(|topics| topics.get(topic));
        pending.any(|partitions| partitions.contains_key(&partition))
    }

    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub fn put(&mut self, topic: &str, partition: i32, committed: Committed) {
        put(&mut self.committed, topic, partition, committed);
    }

    pub fn remove(&mut self, topic: &str, partition: i32) {
        remove(&mut self.committed, topic, partition);
    }

    pub fn put_pending(&mut self, producer: i64, topic: &str, partition: i32, new: Committed) {
        put(self.pending.entry(producer).or_default(), topic, partition, new);
    }

    pub fn remove_pending(&mut self, producer: i64, topic: &str, partition: i32) {
        if let Some(topics) = self.pending.get_mut(&producer) {
            remove(topics, topic, partition);
            if topics.is_empty() {
                self.pending.remove(&producer);
            }
        }
    }

    /// The producer's transaction is decided. What was committed since in another way is newer.
    pub fn decide(&mut self, producer: i64, commit: bool) {
        let Some(topics) = self.pending.remove(&producer) else { return };
        if !commit && !planted::is("commit-what-was-aborted") {
            return;
        }
        for (topic, partitions) in topics {
            for (partition, committed) in partitions {
                let present = self.get(&topic, partition);
                if present.is_none_or(|present| present.order < committed.order) {
                    self.put(&topic, partition, committed);
                }
            }
        }
    }

    /// Every offset: its topic, its partition, and itself.
    pub fn each(&self) -> impl Iterator<Item = (&str, i32, &Committed)> {
        self.topics().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(&partition, committed)| (topic, partition, committed))
        })
    }
}

fn put(topics: &mut ByTopic, topic: &str, partition: i32, committed: Committed) {
    if let Some(partitions) = topics.get_mut(topic) {
        partitions.insert(partition, committed);
    } else {
        topics.insert(topic.to_owned(), BTreeMap::from([(partition, committed)]));
    }
}

fn remove(topics: &mut ByTopic, topic: &str, partition: i32) {
    if let Some(partitions) = topics.get_mut(topic) {
        partitions.remove(&partition);
        if partitions.is_empty() {
            topics.remove(topic);
        }
    }
}
