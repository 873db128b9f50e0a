//! A member of a group of the new protocol: sends heartbeats, gives up what it is told to before it says
//! so, commits what it has read, and begins anew when it is no member any more. Some of its heartbeats
//! come late, twice, or are never answered.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::TopicId;
use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::wire::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeat, ConsumerGroupHeartbeatRequest, TopicPartitions,
};
use ringmain::wire::messages::offset_commit::{
    OffsetCommit, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};

use crate::caller::Caller;
use crate::groups::TOPIC;
use crate::guide::Guide;
use crate::ledger::Ledger;
use crate::member::{fetch, reach};

const REBALANCE_MS: i32 = 3_000;
const PAUSE: Duration = Duration::from_millis(30);

pub struct Reader {
    pub guide: Guide,
    pub ledger: Rc<Ledger>,
    pub group: String,
    pub name: String,
    /// Commits after which it goes.
    pub commits: u32,
    pub falls_silent: bool,
    pub random: Prng,
}

/// What it is at the moment.
struct Seat {
    member: String,
    epoch: i32,
    /// It says all that it has to say, because an answer may have been lost.
    full: bool,
    topic: TopicId,
    /// What it reads, and where it has come.
    places: BTreeMap<i32, i64>,
}

/// What a heartbeat was answered.
struct Told {
    error: ErrorCode,
    epoch: i32,
    assignment: Option<Vec<(TopicId, Vec<i32>)>>,
}

impl Reader {
    pub async fn run(mut self) {
        let mut lives = 0;
        while self.commits > 0 {
            lives += 1;
            let member = format!("{}-{lives}", self.name);
            let topic = TopicId::NIL;
            let mut seat = Seat { member, ..Seat::of(topic) };
            // Until it is no member any more; a new connection is none the worse for it.
            let mut failures = 0;
            while self.commits > 0 && failures < 20 {
                if let Ok(mut caller) = reach(self.guide, &self.group).await {
                    match self.take_part(&mut caller, &mut seat).await {
                        Ok(()) => break,
                        Err(_) => {
                            seat.full = true;
                            failures += 1;
                        }
                    }
                }
                rt::sleep(PAUSE).await;
            }
        }
    }

    /// Takes part until it is done, or is another's.
    async fn take_part(&mut self, caller: &mut Caller, seat: &mut Seat) -> io::Result<()> {
        let mut idle = 0;
        while self.commits > 0 {
            let silent = self.falls_silent && self.random.chance(1, 40);
            let pause =
                if silent { 8_000 + self.random.below(4_000) } else { self.random.below(200) };
            rt::sleep(Duration::from_millis(pause)).await;
            let told = self.beat(caller, seat).await?;
            match told.error {
                ErrorCode::NONE => self.take(caller, seat, told).await?,
                ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
                | ErrorCode::COORDINATOR_NOT_AVAILABLE
                | ErrorCode::NOT_COORDINATOR => {
                    return Err(io::Error::from(io::ErrorKind::NotConnected));
                }
                // It reads nothing any more, and comes again as who it was.
                ErrorCode::FENCED_MEMBER_EPOCH | ErrorCode::UNKNOWN_MEMBER_ID
                    if self.random.chance(1, 2) =>
                {
                    seat.places.clear();
                    seat.epoch = 0;
                    continue;
                }
                _ => return Ok(()),
            }
            self.work(caller, seat).await?;
            // Who has nothing to do goes some time, too.
            idle += u32::from(seat.places.is_empty());
            if idle > 50 {
                self.commits = 0;
            }
        }
        // It says good-bye, or just goes.
        if self.random.chance(1, 2) {
            seat.places.clear();
            let leave = Seat { member: seat.member.clone(), epoch: -1, ..Seat::of(seat.topic) };
            self.send(caller, &leave).await?;
        }
        Ok(())
    }

    async fn beat(&mut self, caller: &mut Caller, seat: &mut Seat) -> io::Result<Told> {
        if self.random.chance(1, 10) {
            // It is never answered, as far as the member knows.
            let mut other = reach(self.guide, &self.group).await?;
            self.send(&mut other, seat).await?;
            seat.full = true;
        }
        if self.random.chance(1, 10) {
            self.send(caller, seat).await?;
            seat.full = true;
        }
        let told = self.send(caller, seat).await?;
        seat.full = false;
        Ok(told)
    }

    async fn send(&self, caller: &mut Caller, seat: &Seat) -> io::Result<Told> {
        let full = seat.epoch == 0 || seat.full;
        let partitions: Vec<i32> = seat.places.keys().copied().collect();
        let owned = match partitions.is_empty() {
            true => Vec::new(),
            false => vec![TopicPartitions { topic_id: seat.topic, partitions }],
        };
        let request = ConsumerGroupHeartbeatRequest {
            group_id: &self.group,
            member_id: &seat.member,
            member_epoch: seat.epoch,
            rebalance_timeout_ms: if full { REBALANCE_MS } else { -1 },
            subscribed_topic_names: full.then(|| vec![TOPIC]),
            topic_partitions: Some(owned),
            ..Default::default()
        };
        let told = caller.call::<ConsumerGroupHeartbeat, _>(1, &request, |answer| Told {
            error: answer.error_code,
            epoch: answer.member_epoch,
            assignment: answer.assignment.map(|assignment| {
                let topics = assignment.topic_partitions.into_iter();
                topics.map(|topic| (topic.topic_id, topic.partitions)).collect()
            }),
        });
        told.await
    }

    /// Does as it was told: what is not its own any more it reads no longer.
    async fn take(&self, caller: &mut Caller, seat: &mut Seat, told: Told) -> io::Result<()> {
        seat.epoch = told.epoch;
        let Some(assignment) = told.assignment else { return Ok(()) };
        let mut given = Vec::new();
        for (topic, partitions) in assignment {
            seat.topic = topic;
            given.extend(partitions);
        }
        seat.places.retain(|partition, _| given.contains(partition));
        for partition in given {
            if seat.places.contains_key(&partition) {
                continue;
            }
            self.ledger.given(seat.epoch, partition, &seat.member);
            let least = self.ledger.acknowledged(partition);
            let offset = fetch(caller, &self.group, partition).await?;
            let offset = offset.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
            self.ledger.found(partition, offset, least);
            seat.places.insert(partition, offset.max(0));
        }
        Ok(())
    }

    async fn work(&mut self, caller: &mut Caller, seat: &mut Seat) -> io::Result<()> {
        for (&partition, offset) in &mut seat.places {
            let next = *offset + 1 + self.random.below(5) as i64;
            match self.commit(caller, &seat.member, seat.epoch, partition, next).await? {
                ErrorCode::NONE => {
                    self.ledger.committed(seat.epoch, partition, next);
                    *offset = next;
                    self.commits = self.commits.saturating_sub(1);
                }
                // The next heartbeat tells what has become of it.
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    async fn commit(
        &self,
        caller: &mut Caller,
        member_id: &str,
        epoch: i32,
        partition: i32,
        offset: i64,
    ) -> io::Result<ErrorCode> {
        let one = OffsetCommitRequestPartition {
            partition_index: partition,
            committed_offset: offset,
            ..Default::default()
        };
        let request = OffsetCommitRequest {
            group_id: &self.group,
            generation_id_or_member_epoch: epoch,
            member_id,
            topics: vec![OffsetCommitRequestTopic {
                name: TOPIC,
                partitions: vec![one],
                ..Default::default()
            }],
            ..Default::default()
        };
        let told = caller.call::<OffsetCommit, _>(9, &request, |answer| {
            answer.topics[0].partitions[0].error_code
        });
        told.await
    }
}

impl Seat {
    fn of(topic: TopicId) -> Seat {
        Seat { member: String::new(), epoch: 0, full: false, topic, places: BTreeMap::new() }
    }
}
