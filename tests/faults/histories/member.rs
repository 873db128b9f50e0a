//! A member of a classic group, one blocking connection to its coordinator. Whoever leads gives the partitions out
//! in turn.

use std::io;
use std::net::SocketAddr;

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::heartbeat::{Heartbeat, HeartbeatRequest};
use ringmain::wire::messages::join_group::{JoinGroup, JoinGroupRequest, JoinGroupRequestProtocol};
use ringmain::wire::messages::offset_commit::{
    OffsetCommit, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ringmain::wire::messages::sync_group::{
    SyncGroup, SyncGroupRequest, SyncGroupRequestAssignment,
};

use crate::client::Client;
use crate::coordinator::{GROUP, find};

const SESSION_MS: i32 = 3_000;
const REBALANCE_MS: i32 = 3_000;

pub struct Member {
    pub coordinator: Client,
    group: String,
    id: String,
    generation: i32,
    /// What it was given.
    pub own: Vec<i32>,
}

/// Errors of the protocol are those of connections here: either way everything begins anew.
fn refused(code: ErrorCode) -> io::Error {
    io::Error::other(code.to_string())
}

impl Member {
    pub fn join(bootstrap: SocketAddr, group: &str, partitions: i32) -> io::Result<Member> {
        let mut coordinator = find(bootstrap, GROUP, group)?;
        let mut id = String::new();
        loop {
            let request = JoinGroupRequest {
                group_id: group,
                session_timeout_ms: SESSION_MS,
                rebalance_timeout_ms: REBALANCE_MS,
                member_id: &id,
                protocol_type: "consumer",
                protocols: vec![JoinGroupRequestProtocol { name: "range", metadata: b"" }],
                ..Default::default()
            };
            let answer = coordinator.call::<JoinGroup>(9, &request)?;
            let body = answer.body();
            match body.error_code {
                ErrorCode::NONE => {}
                ErrorCode::MEMBER_ID_REQUIRED => {
                    id = body.member_id.to_owned();
                    continue;
                }
                code => return Err(refused(code)),
            }
            id = body.member_id.to_owned();
            let members: Vec<String> = match body.leader == body.member_id {
                true => body.members.iter().map(|member| member.member_id.to_owned()).collect(),
                false => Vec::new(),
            };
            let generation = body.generation_id;
            let group = group.to_owned();
            let mut member = Member { coordinator, group, id, generation, own: Vec::new() };
            member.sync(&members, partitions)?;
            return Ok(member);
        }
    }

    fn sync(&mut self, members: &[String], partitions: i32) -> io::Result<()> {
        let mut parts: Vec<(&str, Vec<u8>)> =
            members.iter().map(|member| (member.as_str(), Vec::new())).collect();
        let count = parts.len();
        for (place, (_, part)) in parts.iter_mut().enumerate() {
            part.extend((0..partitions as u8).filter(|&it| usize::from(it) % count == place));
        }
        let assignments = parts
            .iter()
            .map(|(member_id, assignment)| SyncGroupRequestAssignment { member_id, assignment });
        let request = SyncGroupRequest {
            group_id: &self.group,
            generation_id: self.generation,
            member_id: &self.id,
            protocol_type: Some("consumer"),
            protocol_name: Some("range"),
            assignments: assignments.collect(),
            ..Default::default()
        };
        let answer = self.coordinator.call::<SyncGroup>(5, &request)?;
        let body = answer.body();
        if body.error_code != ErrorCode::NONE {
            return Err(refused(body.error_code));
        }
        self.own = body.assignment.iter().map(|&one| i32::from(one)).collect();
        Ok(())
    }

    pub fn heartbeat(&mut self) -> io::Result<()> {
        let request = HeartbeatRequest {
            group_id: &self.group,
            generation_id: self.generation,
            member_id: &self.id,
            ..Default::default()
        };
        let code = self.coordinator.call::<Heartbeat>(4, &request)?.body().error_code;
        if code.is_none() { Ok(()) } else { Err(refused(code)) }
    }

    pub fn commit(&mut self, topic: &str, offsets: &[(i32, i64)]) -> io::Result<()> {
        let one = |&(partition_index, committed_offset): &(i32, i64)| {
            OffsetCommitRequestPartition { partition_index, committed_offset, ..Default::default() }
        };
        let request = OffsetCommitRequest {
            group_id: &self.group,
            generation_id_or_member_epoch: self.generation,
            member_id: &self.id,
            topics: vec![OffsetCommitRequestTopic {
                name: topic,
                partitions: offsets.iter().map(one).collect(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let answer = self.coordinator.call::<OffsetCommit>(8, &request)?;
        let body = answer.body();
        let codes = body.topics[0].partitions.iter().map(|one| one.error_code);
        match codes.into_iter().find(|code| !code.is_none()) {
            None => Ok(()),
            Some(code) => Err(refused(code)),
        }
    }
}
