//! A consumer's seat in a group by the protocol of KIP-848: heartbeats, the assignment that the
//! coordinator deals out, and commits of offsets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use ringmain::model::{ErrorCode, TopicId};
use ringmain::wire::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeat, ConsumerGroupHeartbeatRequest, TopicPartitions,
};
use ringmain::wire::messages::offset_commit::{
    OffsetCommit, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ringmain::wire::messages::offset_fetch::{
    OffsetFetch, OffsetFetchRequest, OffsetFetchRequestTopic,
};
use ringmain::wire::{Api, Message, Reader, Writer, frame};

use crate::clock;
use crate::driver::Nanos;
use crate::lean::consumer::{Consumer, Reading};
use crate::lean::link::Link;
use crate::lean::rpc;
use crate::tally::{Tally, Window};

/// Versions that name topics and know member epochs.
pub const HEARTBEAT_VERSION: i16 = 0;
pub const COMMIT_VERSION: i16 = 9;
pub const FETCH_VERSION: i16 = 7;
const REBALANCE_TIMEOUT_MS: i32 = 30_000;
const FIRST_INTERVAL: Nanos = 100_000_000;

type Place = (Rc<str>, i32);

/// Of every partition that may be assigned: the consumer's connection to its leader, and where to
/// begin when the group has not committed anything.
pub type Places = BTreeMap<Place, (usize, i64)>;

pub struct Member {
    group: String,
    id: String,
    epoch: i32,
    link: Link,
    topics: Rc<Topics>,
    places: Rc<Places>,
    commit_interval: Option<Nanos>,
    owned: BTreeSet<Place>,
    /// Given, but where to begin is still being asked.
    arriving: BTreeSet<Place>,
    /// The coordinator does not know yet what is owned.
    changed: bool,
    interval: Nanos,
    beat_at: Nanos,
    commit_at: Nanos,
    asked: VecDeque<(Asked, Nanos)>,
    window: Arc<Window>,
    pub wake: Nanos,
}

/// The topics that a group reads, by id.
pub struct Topics {
    pub names: Vec<String>,
    pub by_id: BTreeMap<TopicId, Rc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Heartbeat,
    Offsets,
    Commit,
}

impl Member {
    pub fn new(
        group: String,
        link: Link,
        topics: Rc<Topics>,
        places: Rc<Places>,
        commit_interval: Option<Nanos>,
        window: Arc<Window>,
    ) -> Member {
        Member {
            group,
            id: String::new(),
            epoch: 0,
            link,
            topics,
            places,
            commit_interval,
            owned: BTreeSet::new(),
            arriving: BTreeSet::new(),
            changed: false,
            interval: FIRST_INTERVAL,
            beat_at: 0,
            commit_at: 0,
            asked: VecDeque::new(),
            window,
            wake: 0,
        }
    }

    pub fn pump(&mut self, now: Nanos, consumer: &Consumer) -> io::Result<()> {
        let waits = |what: Asked| self.asked.iter().any(|&(asked, _)| asked == what);
        let (beating, committing) = (waits(Asked::Heartbeat), waits(Asked::Commit));
        if !beating && (now >= self.beat_at || (self.changed && self.arriving.is_empty())) {
            self.beat(now)?;
        }
        if let Some(interval) = self.commit_interval
            && !committing
            && now >= self.commit_at
            && self.epoch > 0
        {
            // The members of a crowd do not commit at the same time.
            let first = self.commit_at == 0;
            self.commit_at =
                now + if first { interval / 2 + now % interval.max(1) } else { interval };
            if !first {
                self.commit(now, consumer)?;
            }
        }
        self.wake = match self.commit_interval {
            Some(_) if !committing => self.beat_at.min(self.commit_at.max(now + 1_000_000)),
            _ => self.beat_at,
        };
        Ok(())
    }

    fn ask<A: Api>(
        &mut self,
        what: Asked,
        version: i16,
        now: Nanos,
        request: &A::Request<'_>,
    ) -> io::Result<()> {
        let id = self.link.next_correlation_id();
        let out = self.link.outbox();
        let client = Some("ringmain-bench");
        frame::write_request::<A>(&mut Writer::new(out), version, id, client, request);
        self.asked.push_back((what, now));
        self.link.flush()
    }

    fn beat(&mut self, now: Nanos) -> io::Result<()> {
        let joins = self.epoch == 0;
        let topics = self.topics.clone();
        let names = joins.then(|| topics.names.iter().map(String::as_str).collect());
        let owned = (joins || self.changed).then(|| {
            let mut told: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
            for (id, name) in &topics.by_id {
                let of_topic = self.owned.iter().filter(|(topic, _)| topic == name);
                let partitions: Vec<i32> = of_topic.map(|&(_, partition)| partition).collect();
                if !partitions.is_empty() {
                    told.insert(*id, partitions);
                }
            }
            let told = told.into_iter();
            told.map(|(topic_id, partitions)| TopicPartitions { topic_id, partitions }).collect()
        });
        let (group, id) = (self.group.clone(), self.id.clone());
        let request = ConsumerGroupHeartbeatRequest {
            group_id: &group,
            member_id: &id,
            member_epoch: self.epoch,
            rebalance_timeout_ms: if joins { REBALANCE_TIMEOUT_MS } else { -1 },
            subscribed_topic_names: names,
            topic_partitions: owned,
            ..Default::default()
        };
        self.changed = false;
        self.beat_at = now + self.interval;
        self.ask::<ConsumerGroupHeartbeat>(Asked::Heartbeat, HEARTBEAT_VERSION, now, &request)
    }

    fn commit(&mut self, now: Nanos, consumer: &Consumer) -> io::Result<()> {
        let mut topics: BTreeMap<Rc<str>, Vec<OffsetCommitRequestPartition<'_>>> = BTreeMap::new();
        for reading in consumer.positions() {
            let part = OffsetCommitRequestPartition {
                partition_index: reading.partition,
                committed_offset: reading.offset,
                ..Default::default()
            };
            topics.entry(reading.topic.clone()).or_default().push(part);
        }
        if topics.is_empty() {
            return Ok(());
        }
        let (group, id) = (self.group.clone(), self.id.clone());
        let request = OffsetCommitRequest {
            group_id: &group,
            generation_id_or_member_epoch: self.epoch,
            member_id: &id,
            topics: topics
                .iter()
                .map(|(name, partitions)| OffsetCommitRequestTopic {
                    name,
                    partitions: partitions.clone(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        self.ask::<OffsetCommit>(Asked::Commit, COMMIT_VERSION, now, &request)
    }

    pub fn go_on(&mut self, consumer: &mut Consumer, tally: &mut Tally) -> io::Result<()> {
        let mut answers = Vec::new();
        self.link.receive(|answer| {
            answers.push(answer.to_vec());
            Ok(())
        })?;
        for answer in answers {
            let now = clock::now();
            let (what, asked_at) =
                self.asked.pop_front().ok_or_else(|| io::Error::other("an answer too many"))?;
            match what {
                Asked::Heartbeat => {
                    tally.event(&self.window, "heartbeats", asked_at, now);
                    self.heartbeat_answered(&answer, now, consumer)?;
                }
                Asked::Offsets => self.begin(&answer, consumer)?,
                Asked::Commit => {
                    let response = decode::<OffsetCommit>(&answer, COMMIT_VERSION)?;
                    let mut parts = response.topics.iter().flat_map(|topic| &topic.partitions);
                    match parts.find(|part| part.error_code != ErrorCode::NONE) {
                        None => tally.event(&self.window, "offset_commits", asked_at, now),
                        Some(part) => {
                            let error = format!("OffsetCommit: {}", part.error_code);
                            tally.event_failed("offset_commits", error);
                        }
                    }
                }
            }
        }
        self.link.flush()?;
        self.wake = 0;
        Ok(())
    }

    fn heartbeat_answered(
        &mut self,
        answer: &[u8],
        now: Nanos,
        consumer: &mut Consumer,
    ) -> io::Result<()> {
        let response = decode::<ConsumerGroupHeartbeat>(answer, HEARTBEAT_VERSION)?;
        match response.error_code {
            ErrorCode::NONE => {}
            ErrorCode::FENCED_MEMBER_EPOCH
            | ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::UNRELEASED_INSTANCE_ID => {
                // Joins anew, with nothing.
                self.owned.iter().for_each(|(topic, part)| consumer.revoke(topic, *part));
                self.owned.clear();
                self.arriving.clear();
                (self.epoch, self.beat_at) = (0, now + FIRST_INTERVAL);
                return Ok(());
            }
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                self.beat_at = now + FIRST_INTERVAL;
                return Ok(());
            }
            code => return rpc::check("ConsumerGroupHeartbeat", code),
        }
        if let Some(id) = response.member_id {
            self.id = id.to_owned();
        }
        self.epoch = response.member_epoch;
        self.interval = u64::try_from(response.heartbeat_interval_ms).unwrap_or(1000) * 1_000_000;
        self.beat_at = self.beat_at.max(now + self.interval);
        let Some(assignment) = &response.assignment else { return Ok(()) };
        let mut given = BTreeSet::new();
        for part in &assignment.topic_partitions {
            if let Some(name) = self.topics.by_id.get(&part.topic_id) {
                given.extend(part.partitions.iter().map(|&index| (name.clone(), index)));
            }
        }
        for (topic, part) in self.owned.difference(&given) {
            consumer.revoke(topic, *part);
        }
        self.arriving = given.difference(&self.owned).cloned().collect();
        self.owned = given;
        self.changed = true;
        if self.arriving.is_empty() { Ok(()) } else { self.ask_offsets(now) }
    }

    fn ask_offsets(&mut self, now: Nanos) -> io::Result<()> {
        let mut topics: BTreeMap<Rc<str>, Vec<i32>> = BTreeMap::new();
        for (topic, part) in &self.arriving {
            topics.entry(topic.clone()).or_default().push(*part);
        }
        let topics = topics.iter().map(|(name, parts)| OffsetFetchRequestTopic {
            name,
            partition_indexes: parts.clone(),
        });
        let group = self.group.clone();
        let request = OffsetFetchRequest {
            group_id: &group,
            topics: Some(topics.collect()),
            ..Default::default()
        };
        self.ask::<OffsetFetch>(Asked::Offsets, FETCH_VERSION, now, &request)
    }

    /// Reads on where the group left off, or where the run found the end.
    fn begin(&mut self, answer: &[u8], consumer: &mut Consumer) -> io::Result<()> {
        let response = decode::<OffsetFetch>(answer, FETCH_VERSION)?;
        rpc::check("OffsetFetch", response.error_code)?;
        for topic in &response.topics {
            for part in &topic.partitions {
                rpc::check("OffsetFetch", part.error_code)?;
                let place: Place = (topic.name.into(), part.partition_index);
                if !self.arriving.remove(&place) {
                    continue;
                }
                let Some(&(lane, first)) = self.places.get(&place) else { continue };
                let offset = if part.committed_offset >= 0 { part.committed_offset } else { first };
                consumer.assign(lane, Reading::new(place.0, place.1, offset, i64::MAX));
            }
        }
        Ok(())
    }
}

fn decode<A: Api>(answer: &[u8], version: i16) -> io::Result<A::Response<'_>> {
    let mut reader = Reader::new(answer);
    frame::read_response_header::<A>(&mut reader, version).map_err(rpc::malformed)?;
    A::Response::decode(&mut reader, version).map_err(rpc::malformed)
}
