//! What a group is, by whichever protocol its members share: the classic one, in which they tell each
//! other what they want and get, or the new one (KIP-848), in which the broker knows.

use std::rc::Rc;

use crate::client::{Cluster, Connection, Error, Result, coordinator};
use crate::model::{BrokerId, ErrorCode};
use crate::wire::consumer_protocol::{Assignment, Subscription};
use crate::wire::message::Api;
use crate::wire::messages::consumer_group_describe::{
    self, ConsumerGroupDescribe, ConsumerGroupDescribeRequest,
};
use crate::wire::messages::describe_groups::{
    DescribeGroups, DescribeGroupsRequest, DescribedGroupMember,
};
use crate::wire::versioned::Versioned;

/// What a broker calls a group that does not exist.
const DEAD: &str = "Dead";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupKind {
    #[default]
    Classic,
    /// Of the new protocol.
    Consumer,
}

impl GroupKind {
    pub fn name(self) -> &'static str {
        match self {
            GroupKind::Classic => "classic",
            GroupKind::Consumer => "consumer",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    pub kind: GroupKind,
    pub state: String,
    pub protocol_type: String,
    /// By which partitions are shared out.
    pub protocol: String,
    /// Of the members and subscriptions, and of the sharing out that followed; new protocol.
    pub epochs: Option<(i32, i32)>,
    pub members: Vec<GroupMember>,
}

#[derive(Clone, Debug, Default)]
pub struct GroupMember {
    pub id: String,
    pub instance: Option<String>,
    pub client_id: String,
    pub host: String,
    /// The topics it wants, by its own words; `None` when they cannot be read.
    pub topics: Option<Vec<String>>,
    /// What it has.
    pub assigned: Vec<(String, i32)>,
    /// How far it has followed the group, and what it is to have then; new protocol.
    pub epoch: Option<i32>,
    pub target: Vec<(String, i32)>,
    /// It speaks the classic protocol in a group of the new one.
    pub is_classic: bool,
}

/// What a group is; one that does not exist is `Dead`.
pub async fn describe_group(cluster: &Cluster, group: &str) -> Result<(BrokerId, Group)> {
    cluster
        .retry(async || {
            let (id, connection) = coordinator(cluster, group).await?;
            let classic = classic(&connection, group).await?;
            if classic.state != DEAD
                || connection.versions().range(ConsumerGroupDescribe::KEY).is_none()
            {
                return Ok((id, classic));
            }
            // Asked of the wrong kind a broker says that there is none.
            let consumer = consumer(&connection, group).await?;
            Ok((id, consumer.unwrap_or(classic)))
        })
        .await
}

async fn classic(connection: &Rc<Connection>, group: &str) -> Result<Group> {
    let request = DescribeGroupsRequest { groups: vec![group], ..Default::default() };
    let answer = connection.call::<DescribeGroups>(&request).await?;
    let response = answer.decode()?;
    let Some(found) = response.groups.first() else {
        return Ok(Group { state: DEAD.to_owned(), ..Group::default() });
    };
    match found.error_code {
        ErrorCode::NONE => {}
        ErrorCode::GROUP_ID_NOT_FOUND => {
            return Ok(Group { state: DEAD.to_owned(), ..Group::default() });
        }
        code => {
            return Err(Error::refused(format!("group {group}"), code, found.error_message));
        }
    }
    Ok(Group {
        kind: GroupKind::Classic,
        state: found.group_state.to_owned(),
        protocol_type: found.protocol_type.to_owned(),
        protocol: found.protocol_data.to_owned(),
        epochs: None,
        members: found.members.iter().map(member).collect(),
    })
}

fn member(member: &DescribedGroupMember<'_>) -> GroupMember {
    let subscription = Subscription::decode_newer(member.member_metadata).ok();
    // Nothing at all is an assignment, too.
    let assignment = Assignment::decode_newer(member.member_assignment).unwrap_or_default();
    let assigned = assignment
        .assigned_partitions
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|&index| (topic.topic.to_owned(), index)));
    GroupMember {
        id: member.member_id.to_owned(),
        instance: member.group_instance_id.map(str::to_owned),
        client_id: member.client_id.to_owned(),
        host: host(member.client_host),
        topics: subscription.map(|it| it.topics.iter().map(|&one| one.to_owned()).collect()),
        assigned: assigned.collect(),
        ..GroupMember::default()
    }
}

/// As Java writes addresses.
fn host(told: &str) -> String {
    told.trim_start_matches('/').to_owned()
}

/// `None` where there is no such group.
async fn consumer(connection: &Rc<Connection>, group: &str) -> Result<Option<Group>> {
    let request = ConsumerGroupDescribeRequest { group_ids: vec![group], ..Default::default() };
    let answer = connection.call::<ConsumerGroupDescribe>(&request).await?;
    let response = answer.decode()?;
    let Some(found) = response.groups.first() else { return Ok(None) };
    match found.error_code {
        ErrorCode::NONE => {}
        ErrorCode::GROUP_ID_NOT_FOUND => return Ok(None),
        code => {
            return Err(Error::refused(format!("group {group}"), code, found.error_message));
        }
    }
    let member = |member: &consumer_group_describe::Member<'_>| GroupMember {
        id: member.member_id.to_owned(),
        instance: member.instance_id.map(str::to_owned),
        client_id: member.client_id.to_owned(),
        host: host(member.client_host),
        topics: topics(member),
        assigned: places(&member.assignment),
        epoch: Some(member.member_epoch),
        target: places(&member.target_assignment),
        is_classic: member.member_type == 0,
    };
    Ok(Some(Group {
        kind: GroupKind::Consumer,
        state: found.group_state.to_owned(),
        protocol_type: "consumer".to_owned(),
        protocol: found.assignor_name.to_owned(),
        epochs: Some((found.group_epoch, found.assignment_epoch)),
        members: found.members.iter().map(member).collect(),
    }))
}

/// Names, or a pattern whose topics only the broker knows: what it is to have tells some.
fn topics(member: &consumer_group_describe::Member<'_>) -> Option<Vec<String>> {
    let names = member.subscribed_topic_names.iter().map(|&name| name.to_owned());
    let mut names: Vec<String> = names.collect();
    if member.subscribed_topic_regex.is_some_and(|pattern| !pattern.is_empty()) {
        names.extend(places(&member.target_assignment).into_iter().map(|(topic, _)| topic));
        names.sort_unstable();
        names.dedup();
        return (!names.is_empty()).then_some(names);
    }
    Some(names)
}

fn places(assignment: &consumer_group_describe::Assignment<'_>) -> Vec<(String, i32)> {
    let topics = assignment.topic_partitions.iter();
    let of_topic = topics.flat_map(|topic| {
        topic.partitions.iter().map(|&index| (topic.topic_name.to_owned(), index))
    });
    of_topic.collect()
}
