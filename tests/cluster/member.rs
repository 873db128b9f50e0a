//! A consumer of a group: joins, shares when it leads, commits, and begins anew whenever anything
//! goes wrong. It comes back as somebody else each time, so that nothing of what it asked before
//! can count any more.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::wire::messages::find_coordinator::{FindCoordinator, FindCoordinatorRequest};
use ringmain::wire::messages::heartbeat::{Heartbeat, HeartbeatRequest};
use ringmain::wire::messages::join_group::{JoinGroup, JoinGroupRequest, JoinGroupRequestProtocol};
use ringmain::wire::messages::offset_commit::{
    OffsetCommit, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ringmain::wire::messages::offset_fetch::{
    OffsetFetch, OffsetFetchRequest, OffsetFetchRequestTopic,
};
use ringmain::wire::messages::sync_group::{
    SyncGroup, SyncGroupRequest, SyncGroupRequestAssignment,
};

use crate::bad_net::BadNet;
use crate::caller::Caller;
use crate::groups::TOPIC;
use crate::guide::Guide;
use crate::ledger::Ledger;

const SESSION_MS: i32 = 6_000;
/// Less than a caller waits for an answer.
const REBALANCE_MS: i32 = 3_000;
const PAUSE: Duration = Duration::from_millis(30);

pub struct Member {
    pub guide: Guide,
    pub ledger: Rc<Ledger>,
    pub group: String,
    pub partitions: i32,
    /// Commits after which it goes.
    pub commits: u32,
    pub falls_silent: bool,
    pub random: Prng,
    /// Something happens to one of its requests in so many.
    pub trouble_one_in: Option<u64>,
}

/// What it is in a generation.
struct Seat {
    member: String,
    generation: i32,
    leader: bool,
    members: Vec<String>,
}

impl Member {
    pub async fn run(mut self) {
        while self.commits > 0 {
            if let Ok(caller) = reach(self.guide, &self.group).await {
                let seed = self.random.next_u64();
                let net = self.trouble_one_in.map(|one_in| BadNet::new(Prng::new(seed), one_in));
                let mut caller = caller.over(net);
                // Whatever it was: all begins anew.
                let _ = self.take_part(&mut caller).await;
            }
            rt::sleep(PAUSE).await;
        }
    }

    /// Takes part until the group wants it anew, or something fails.
    async fn take_part(&mut self, caller: &mut Caller) -> io::Result<()> {
        let mut id = String::new();
        while self.commits > 0 {
            let Some(seat) = self.join(caller, &mut id).await? else { return Ok(()) };
            let Some(given) = self.sync(caller, &seat).await? else { continue };
            let mut places = BTreeMap::new();
            for &partition in &given {
                self.ledger.given(seat.generation, partition, &seat.member);
                let least = self.ledger.acknowledged(partition);
                let Some(offset) = self.fetch(caller, partition).await? else { return Ok(()) };
                self.ledger.found(partition, offset, least);
                places.insert(partition, offset.max(0));
            }
            if !self.work(caller, &seat, places).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// False: it is no longer a member.
    async fn work(
        &mut self,
        caller: &mut Caller,
        seat: &Seat,
        mut places: BTreeMap<i32, i64>,
    ) -> io::Result<bool> {
        let mut idle = 0;
        while self.commits > 0 {
            let silent = self.falls_silent && self.random.chance(1, 40);
            let pause =
                if silent { 8_000 + self.random.below(4_000) } else { self.random.below(200) };
            rt::sleep(Duration::from_millis(pause)).await;
            for (&partition, offset) in &mut places {
                let next = *offset + 1 + self.random.below(5) as i64;
                match commit(caller, &self.group, seat, partition, next).await? {
                    ErrorCode::NONE => {
                        self.ledger.committed(seat.generation, partition, next);
                        *offset = next;
                        self.commits = self.commits.saturating_sub(1);
                    }
                    ErrorCode::REBALANCE_IN_PROGRESS => return Ok(true),
                    _ => return Ok(false),
                }
            }
            // Who has nothing to do goes some time, too.
            idle += u32::from(places.is_empty());
            if idle > 50 {
                self.commits = 0;
            }
            match heartbeat(caller, &self.group, seat).await? {
                ErrorCode::NONE => {}
                ErrorCode::REBALANCE_IN_PROGRESS => return Ok(true),
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    async fn join(&self, caller: &mut Caller, id: &mut String) -> io::Result<Option<Seat>> {
        loop {
            let asks = id.clone();
            let request = JoinGroupRequest {
                group_id: &self.group,
                session_timeout_ms: SESSION_MS,
                rebalance_timeout_ms: REBALANCE_MS,
                member_id: &asks,
                protocol_type: "consumer",
                protocols: vec![JoinGroupRequestProtocol { name: "range", metadata: b"" }],
                ..Default::default()
            };
            let (error, seat) = caller
                .call::<JoinGroup, _>(9, &request, |answer| {
                    let seat = Seat {
                        member: answer.member_id.to_owned(),
                        generation: answer.generation_id,
                        leader: answer.leader == answer.member_id,
                        members: answer.members.iter().map(|m| m.member_id.to_owned()).collect(),
                    };
                    (answer.error_code, seat)
                })
                .await?;
            match error {
                ErrorCode::NONE => {
                    id.clone_from(&seat.member);
                    return Ok(Some(seat));
                }
                ErrorCode::MEMBER_ID_REQUIRED => id.clone_from(&seat.member),
                _ => return Ok(None),
            }
        }
    }

    async fn sync(&self, caller: &mut Caller, seat: &Seat) -> io::Result<Option<Vec<i32>>> {
        let mut parts: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        if seat.leader {
            for partition in 0..self.partitions {
                let to = &seat.members[partition as usize % seat.members.len()];
                parts.entry(to).or_default().push(partition as u8);
            }
        }
        let assignment =
            |(member_id, assignment)| SyncGroupRequestAssignment { member_id, assignment };
        let parts: Vec<(&str, Vec<u8>)> = parts.into_iter().collect();
        let request = SyncGroupRequest {
            group_id: &self.group,
            generation_id: seat.generation,
            member_id: &seat.member,
            protocol_type: Some("consumer"),
            protocol_name: Some("range"),
            assignments: parts.iter().map(|(id, part)| assignment((*id, &part[..]))).collect(),
            ..Default::default()
        };
        let told = caller.call::<SyncGroup, _>(5, &request, |answer| {
            (answer.error_code, answer.assignment.iter().map(|&one| i32::from(one)).collect())
        });
        let (error, given) = told.await?;
        Ok((error == ErrorCode::NONE).then_some(given))
    }

    async fn fetch(&self, caller: &mut Caller, partition: i32) -> io::Result<Option<i64>> {
        fetch(caller, &self.group, partition).await
    }
}

pub async fn fetch(caller: &mut Caller, group: &str, partition: i32) -> io::Result<Option<i64>> {
    let topic = OffsetFetchRequestTopic { name: TOPIC, partition_indexes: vec![partition] };
    let request = OffsetFetchRequest {
        group_id: group,
        topics: Some(vec![topic]),
        require_stable: true,
        ..Default::default()
    };
    let told = caller.call::<OffsetFetch, _>(7, &request, |answer| {
        let one = answer.topics.first().and_then(|topic| topic.partitions.first());
        let good = one.filter(|one| answer.error_code.is_none() && one.error_code.is_none());
        good.map(|one| one.committed_offset)
    });
    told.await
}

async fn commit(
    caller: &mut Caller,
    group: &str,
    seat: &Seat,
    partition: i32,
    offset: i64,
) -> io::Result<ErrorCode> {
    let one = OffsetCommitRequestPartition {
        partition_index: partition,
        committed_offset: offset,
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: group,
        generation_id_or_member_epoch: seat.generation,
        member_id: &seat.member,
        topics: vec![OffsetCommitRequestTopic {
            name: TOPIC,
            partitions: vec![one],
            ..Default::default()
        }],
        ..Default::default()
    };
    let told = caller
        .call::<OffsetCommit, _>(8, &request, |answer| answer.topics[0].partitions[0].error_code);
    told.await
}

async fn heartbeat(caller: &mut Caller, group: &str, seat: &Seat) -> io::Result<ErrorCode> {
    let request = HeartbeatRequest {
        group_id: group,
        generation_id: seat.generation,
        member_id: &seat.member,
        ..Default::default()
    };
    caller.call::<Heartbeat, _>(4, &request, |answer| answer.error_code).await
}

/// A connection to the group's coordinator.
pub async fn reach(guide: Guide, group: &str) -> io::Result<Caller> {
    let mut caller = Caller::connect(guide.bootstrap).await?;
    let request = FindCoordinatorRequest { key: group, ..Default::default() };
    let found = caller
        .call::<FindCoordinator, _>(2, &request, |answer| {
            let ip: Option<IpAddr> = answer.host.parse().ok();
            let port = u16::try_from(answer.port).ok();
            ip.zip(port).filter(|_| answer.error_code.is_none())
        })
        .await?;
    match found {
        Some((ip, port)) => Caller::connect(SocketAddr::new(ip, port)).await,
        None => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
}

/// What a group has committed in the end.
pub async fn committed(guide: Guide, group: String, partition: i32) -> i64 {
    loop {
        if let Ok(mut caller) = reach(guide, &group).await
            && let Ok(Some(offset)) = fetch(&mut caller, &group, partition).await
        {
            return offset;
        }
        rt::sleep(PAUSE).await;
    }
}
