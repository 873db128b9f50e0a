//! What groups have committed, which goes along with a directory: some that nobody ever joined, and
//! one that had a member.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::describe_groups::{DescribeGroups, DescribeGroupsRequest};
use ringmain::wire::messages::find_coordinator::{FindCoordinator, FindCoordinatorRequest};
use ringmain::wire::messages::join_group::{JoinGroup, JoinGroupRequest, JoinGroupRequestProtocol};
use ringmain::wire::messages::leave_group::{LeaveGroup, LeaveGroupRequest};
use ringmain::wire::messages::offset_commit::{
    OffsetCommit, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ringmain::wire::messages::offset_fetch::{OffsetFetch, OffsetFetchRequest};
use ringmain::wire::messages::sync_group::{SyncGroup, SyncGroupRequest};

use crate::client::Client;
use crate::topics::Topic;

const SIMPLE: [&str; 3] = ["exchange-one", "exchange-two", "exchange-three"];
const JOINED: &str = "exchange-joined";
const PATIENCE: Duration = Duration::from_secs(60);

/// By group, topic and partition: the offset and the text beside it.
pub type Offsets = BTreeMap<(String, String, i32), (i64, String)>;

/// Commits what is different in every round.
pub fn commit(address: SocketAddr, topics: &[Topic], round: i64) -> Offsets {
    let mut offsets = Offsets::new();
    for (number, group) in (0..).zip(SIMPLE.iter().chain([&JOINED])) {
        let mut client = coordinator(address, group);
        for topic in topics {
            for partition in 0..topic.partitions.len() as i32 {
                let (offset, text) = (round * 1_000 + number, format!("round {round}"));
                put(&mut client, group, &topic.name, partition, offset, &text);
                offsets
                    .insert(((*group).to_owned(), topic.name.clone(), partition), (offset, text));
            }
        }
    }
    offsets
}

/// Makes a group that has had a member in one generation.
pub fn join(address: SocketAddr) {
    let mut client = coordinator(address, JOINED);
    let mut member = String::new();
    let generation = loop {
        let request = JoinGroupRequest {
            group_id: JOINED,
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            member_id: &member,
            protocol_type: "consumer",
            protocols: vec![JoinGroupRequestProtocol { name: "range", metadata: &[0; 10] }],
            ..Default::default()
        };
        let answer = client.call::<JoinGroup>(5, &request).expect("an answer");
        let response = answer.body();
        let id = response.member_id.to_owned();
        match response.error_code {
            ErrorCode::NONE => break response.generation_id,
            ErrorCode::MEMBER_ID_REQUIRED => member = id,
            error => panic!("joining: {error}"),
        }
    };
    let request = SyncGroupRequest {
        group_id: JOINED,
        generation_id: generation,
        member_id: &member,
        ..Default::default()
    };
    let answer = client.call::<SyncGroup>(3, &request).expect("an answer");
    assert_eq!(answer.body().error_code, ErrorCode::NONE);
    let request = LeaveGroupRequest { group_id: JOINED, member_id: &member, ..Default::default() };
    let answer = client.call::<LeaveGroup>(2, &request).expect("an answer");
    assert_eq!(answer.body().error_code, ErrorCode::NONE);
}

/// Everything is there, and the group is what it was.
pub fn check(address: SocketAddr, expect: &Offsets) {
    let mut found = Offsets::new();
    for group in SIMPLE.iter().chain([&JOINED]) {
        let mut client = coordinator(address, group);
        let request = OffsetFetchRequest { group_id: group, ..Default::default() };
        let answer = client.call::<OffsetFetch>(7, &request).expect("an answer");
        let response = answer.body();
        assert_eq!(response.error_code, ErrorCode::NONE, "{group}");
        for topic in &response.topics {
            for one in &topic.partitions {
                let text = one.metadata.unwrap_or_default().to_owned();
                let place = ((*group).to_owned(), topic.name.to_owned(), one.partition_index);
                found.insert(place, (one.committed_offset, text));
            }
        }
    }
    assert_eq!(found, *expect);
    let mut client = coordinator(address, JOINED);
    let request = DescribeGroupsRequest { groups: vec![JOINED], ..Default::default() };
    let answer = client.call::<DescribeGroups>(5, &request).expect("an answer");
    let response = answer.body();
    let group = &response.groups[0];
    assert_eq!((group.group_state, group.protocol_type), ("Empty", "consumer"));
    println!("{} committed offsets are the same", found.len());
}

fn put(client: &mut Client, group: &str, name: &str, partition: i32, offset: i64, text: &str) {
    let one = OffsetCommitRequestPartition {
        partition_index: partition,
        committed_offset: offset,
        committed_metadata: Some(text),
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic { name, partitions: vec![one], ..Default::default() };
    let request =
        OffsetCommitRequest { group_id: group, topics: vec![topic], ..Default::default() };
    let answer = client.call::<OffsetCommit>(7, &request).expect("an answer");
    let response = answer.body();
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::NONE, "{group} {name}");
}

/// A connection to who coordinates a group, when it has loaded what is known of it.
pub fn coordinator(address: SocketAddr, group: &str) -> Client {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut client = Client::connect(address).expect("a connection");
        let request = FindCoordinatorRequest { key: group, ..Default::default() };
        let answer = client.call::<FindCoordinator>(2, &request).expect("an answer");
        let response = answer.body();
        if response.error_code.is_none() {
            let at = (response.host, response.port as u16);
            let at = std::net::ToSocketAddrs::to_socket_addrs(&at).expect("an address").next();
            let mut client = Client::connect(at.expect("an address")).expect("a connection");
            let request = OffsetFetchRequest { group_id: group, ..Default::default() };
            let answer = client.call::<OffsetFetch>(7, &request).expect("an answer");
            if answer.body().error_code.is_none() {
                return client;
            }
        }
        assert!(Instant::now() < until, "no coordinator of {group}: {}", response.error_code);
        thread::sleep(Duration::from_millis(200));
    }
}
