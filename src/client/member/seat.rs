//! How a member gets its part: JoinGroup, the sharing out if it is the leader, SyncGroup.

use std::collections::{BTreeMap, BTreeSet};

use super::{Assignor, Member, Place, Wish, partitions};
use crate::client::{Error, Result};
use crate::model::ErrorCode;
use crate::wire::consumer_protocol::{Assignment, PROTOCOL_TYPE, Subscription, TopicPartitions};
use crate::wire::messages::join_group::{JoinGroup, JoinGroupRequest, JoinGroupRequestProtocol};
use crate::wire::messages::sync_group::{SyncGroup, SyncGroupRequest, SyncGroupRequestAssignment};
use crate::wire::versioned::Versioned;

/// The versions of the subscription and the assignment that we write.
const SUBSCRIPTION: i16 = 3;
const ASSIGNMENT: i16 = 1;

/// What a member is in one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    pub generation: i32,
    pub is_leader: bool,
    pub assignor: Assignor,
    pub places: BTreeSet<Place>,
    /// What the leader shared out: the partitions of every topic that anybody reads.
    pub shared: BTreeMap<String, usize>,
}

/// What JoinGroup answered.
struct Joined {
    generation: i32,
    assignor: Assignor,
    skip_assignment: bool,
    /// Of all members; only the leader is told.
    wishes: Option<Vec<Wish>>,
}

/// One attempt.
pub async fn take(member: &Member, owned: &BTreeSet<Place>) -> Result<Seat> {
    let joined = loop {
        match join(member, owned).await {
            // It has an id now, and comes again with it (KIP-394).
            Err(error) if error.code() == Some(ErrorCode::MEMBER_ID_REQUIRED) => {}
            // The group has forgotten it: it comes as somebody new, with nothing of its own.
            Err(error) if error.code() == Some(ErrorCode::UNKNOWN_MEMBER_ID) => member.forget(),
            joined => break joined?,
        }
    };
    let mut shared = BTreeMap::new();
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    if let Some(wishes) = &joined.wishes {
        let topics = wishes.iter().flat_map(|wish| &wish.topics).map(String::as_str).collect();
        shared = partitions(member.cluster(), &topics).await?;
        if !joined.skip_assignment {
            let assigned = joined.assignor.assign(wishes, &shared);
            parts = assigned.into_iter().map(|(id, places)| (id, encode(&places))).collect();
        }
    }
    let places = sync(member, &joined, &parts).await?;
    Ok(Seat {
        generation: joined.generation,
        is_leader: joined.wishes.is_some(),
        assignor: joined.assignor,
        places,
        shared,
    })
}

async fn join(member: &Member, owned: &BTreeSet<Place>) -> Result<Joined> {
    let (options, standing) = (member.options(), &member.standing);
    let connection = member.connection().await?;
    let generation = standing.generation.get();
    let member_id = member.id();
    // Who is nobody yet, or no more, owns nothing.
    let nothing = BTreeSet::new();
    let owned = if generation < 0 { &nothing } else { owned };
    let metadata = subscription(&options.topics, owned, generation);
    let protocol = |assignor: &Assignor| JoinGroupRequestProtocol {
        name: assignor.name(),
        metadata: &metadata,
    };
    let ms = |time: std::time::Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    let request = JoinGroupRequest {
        group_id: &options.group,
        session_timeout_ms: ms(options.session_timeout),
        rebalance_timeout_ms: ms(options.rebalance_timeout),
        member_id: &member_id,
        group_instance_id: options.instance.as_deref(),
        protocol_type: PROTOCOL_TYPE,
        protocols: options.assignors.iter().map(protocol).collect(),
        reason: None,
    };
    let version = connection.version::<JoinGroup>()?;
    let pending = connection.send::<JoinGroup>(version, &request);
    // The broker may wait for the other members that long.
    let answer = pending.allow(options.rebalance_timeout).answer().await?;
    let response = answer.decode()?;
    let code = response.error_code;
    if code.is_none() || code == ErrorCode::MEMBER_ID_REQUIRED {
        response.member_id.clone_into(&mut standing.id.borrow_mut());
    }
    if !code.is_none() {
        return Err(member.refused(code));
    }
    standing.generation.set(response.generation_id);
    let name = response.protocol_name.unwrap_or_default();
    let assignor = Assignor::from_name(name).ok_or_else(|| Error::Malformed {
        peer: connection.peer().to_string(),
        reason: format!("the group chose {name}, which nobody offered"),
    })?;
    let is_leader = response.leader == response.member_id;
    let wishes = response.members.iter();
    let wishes = wishes.map(|it| Wish::of(it.member_id, it.group_instance_id, it.metadata));
    Ok(Joined {
        generation: response.generation_id,
        assignor,
        skip_assignment: response.skip_assignment,
        wishes: is_leader.then(|| wishes.collect()),
    })
}

async fn sync(
    member: &Member,
    joined: &Joined,
    parts: &[(String, Vec<u8>)],
) -> Result<BTreeSet<Place>> {
    let options = member.options();
    let connection = member.connection().await?;
    let member_id = member.id();
    let request = SyncGroupRequest {
        group_id: &options.group,
        generation_id: joined.generation,
        member_id: &member_id,
        group_instance_id: options.instance.as_deref(),
        protocol_type: Some(PROTOCOL_TYPE),
        protocol_name: Some(joined.assignor.name()),
        assignments: parts
            .iter()
            .map(|(member_id, assignment)| SyncGroupRequestAssignment { member_id, assignment })
            .collect(),
    };
    let version = connection.version::<SyncGroup>()?;
    let pending = connection.send::<SyncGroup>(version, &request);
    let answer = pending.allow(options.rebalance_timeout).answer().await?;
    let response = answer.decode()?;
    if !response.error_code.is_none() {
        return Err(member.refused(response.error_code));
    }
    if response.assignment.is_empty() {
        return Ok(BTreeSet::new());
    }
    let assignment = Assignment::decode_newer(response.assignment).map_err(|fault| {
        let reason = format!("the group's leader shares out what cannot be read: {fault}");
        Error::Malformed { peer: connection.peer().to_string(), reason }
    })?;
    let topics = assignment.assigned_partitions.iter();
    let places = topics
        .flat_map(|topic| topic.partitions.iter().map(|&index| (topic.topic.to_owned(), index)));
    Ok(places.collect())
}

fn by_topic<'a>(places: impl IntoIterator<Item = &'a Place>) -> Vec<TopicPartitions<'a>> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, index) in places {
        topics.entry(topic).or_default().push(*index);
    }
    topics.into_iter().map(|(topic, partitions)| TopicPartitions { topic, partitions }).collect()
}

fn subscription(topics: &[String], owned: &BTreeSet<Place>, generation: i32) -> Vec<u8> {
    // Older members read the generation where the sticky assignor used to put it.
    let in_user_data = generation.to_be_bytes();
    let subscription = Subscription {
        topics: topics.iter().map(String::as_str).collect(),
        user_data: (generation >= 0).then_some(&in_user_data[..]),
        owned_partitions: by_topic(owned),
        generation_id: generation,
        rack_id: None,
    };
    let mut bytes = Vec::new();
    subscription.encode(SUBSCRIPTION, &mut bytes);
    bytes
}

fn encode(places: &[Place]) -> Vec<u8> {
    let assignment = Assignment { assigned_partitions: by_topic(places), user_data: None };
    let mut bytes = Vec::new();
    assignment.encode(ASSIGNMENT, &mut bytes);
    bytes
}
