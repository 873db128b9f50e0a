//! Consumer groups seen from outside: who coordinates one, what it is, what it has committed.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::client::{Cluster, Connection, Error, Result, Scope};
use crate::model::{BrokerId, ErrorCode, Offset};
use crate::wire::consumer_protocol::{Assignment, PROTOCOL_TYPE, Subscription, TopicPartitions};
use crate::wire::messages::consumer_group_describe::{
    ConsumerGroupDescribe, ConsumerGroupDescribeRequest,
};
use crate::wire::messages::delete_groups::{DeleteGroups, DeleteGroupsRequest};
use crate::wire::messages::describe_groups::{DescribeGroups, DescribeGroupsRequest};
use crate::wire::messages::find_coordinator::{FindCoordinator, FindCoordinatorRequest};
use crate::wire::messages::list_groups::{ListGroups, ListGroupsRequest};
use crate::wire::messages::offset_commit::{
    OffsetCommit, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::offset_fetch::{
    OffsetFetch, OffsetFetchRequest, OffsetFetchRequestGroup,
};

use crate::wire::versioned::Versioned;

/// Kafka's number of groups among what has coordinators.
const GROUP: i8 = 0;
/// Several keys in one request, from here on.
const SEVERAL_COORDINATORS: i16 = 4;
const SEVERAL_GROUPS: i16 = 8;
/// Topics are named by id from these versions on.
const COMMIT_BY_ID: i16 = 10;
const FETCH_BY_ID: i16 = 10;

/// A group, of whichever protocol.
#[derive(Clone, Debug, Default)]
pub struct Group {
    pub state: String,
    pub protocol_type: String,
    pub protocol: String,
    pub members: Vec<GroupMember>,
}

#[derive(Clone, Debug, Default)]
pub struct GroupMember {
    pub id: String,
    pub instance: Option<String>,
    pub client_id: String,
    pub host: String,
    /// What it said when it joined, and what it was given; of the group's protocol.
    pub metadata: Vec<u8>,
    pub assignment: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct ListedGroup {
    pub name: String,
    pub protocol_type: String,
    /// Empty where the broker does not tell.
    pub state: String,
    pub kind: String,
    pub coordinator: BrokerId,
}

/// By topic and partition.
pub type Committed = BTreeMap<(String, i32), Offset>;

/// The broker that coordinates a group.
pub async fn coordinator(cluster: &Cluster, group: &str) -> Result<(BrokerId, Rc<Connection>)> {
    cluster.metadata(Scope::None).await?;
    let connection = cluster.any().await?;
    let version = connection.version::<FindCoordinator>()?;
    let request =
        FindCoordinatorRequest { key: group, key_type: GROUP, coordinator_keys: vec![group] };
    let answer = connection.send::<FindCoordinator>(version, &request).answer().await?;
    let response = answer.decode()?;
    let (id, code, message) = match response.coordinators.first() {
        Some(found) if version >= SEVERAL_COORDINATORS => {
            (found.node_id, found.error_code, found.error_message)
        }
        _ => (response.node_id, response.error_code, response.error_message),
    };
    accepted(group, code, message)?;
    let id = BrokerId(id);
    Ok((id, cluster.broker(id).await?))
}

fn accepted(group: &str, code: ErrorCode, message: Option<&str>) -> Result<()> {
    match code {
        ErrorCode::NONE => Ok(()),
        code => Err(Error::refused(format!("group {group}"), code, message)),
    }
}

/// What a group is; one that does not exist is `Dead`.
pub async fn describe_group(cluster: &Cluster, group: &str) -> Result<(BrokerId, Group)> {
    cluster
        .retry(async || {
            let (id, connection) = coordinator(cluster, group).await?;
            let request = DescribeGroupsRequest { groups: vec![group], ..Default::default() };
            let answer = connection.call::<DescribeGroups>(&request).await?;
            let response = answer.decode()?;
            let Some(found) = response.groups.first() else { return Ok((id, Group::default())) };
            if found.error_code != ErrorCode::GROUP_ID_NOT_FOUND {
                accepted(group, found.error_code, found.error_message)?;
            } else if let Some(described) = describe_consumer_group(&connection, group).await? {
                return Ok((id, described));
            }
            let members = found.members.iter().map(|member| GroupMember {
                id: member.member_id.to_owned(),
                instance: member.group_instance_id.map(str::to_owned),
                client_id: member.client_id.to_owned(),
                host: member.client_host.trim_start_matches('/').to_owned(),
                metadata: member.member_metadata.to_vec(),
                assignment: member.member_assignment.to_vec(),
            });
            let described = Group {
                state: found.group_state.to_owned(),
                protocol_type: found.protocol_type.to_owned(),
                protocol: found.protocol_data.to_owned(),
                members: members.collect(),
            };
            Ok((id, described))
        })
        .await
}

/// A group of the new protocol (KIP-848), as if it were a classic one; `None`: it is none.
async fn describe_consumer_group(connection: &Connection, group: &str) -> Result<Option<Group>> {
    if connection.version::<ConsumerGroupDescribe>().is_err() {
        return Ok(None);
    }
    let request = ConsumerGroupDescribeRequest { group_ids: vec![group], ..Default::default() };
    let answer = connection.call::<ConsumerGroupDescribe>(&request).await?;
    let response = answer.decode()?;
    let Some(found) = response.groups.first() else { return Ok(None) };
    if found.error_code == ErrorCode::GROUP_ID_NOT_FOUND {
        return Ok(None);
    }
    accepted(group, found.error_code, found.error_message)?;
    let members = found.members.iter().map(|member| {
        let target = member.target_assignment.topic_partitions.iter();
        let mut topics = member.subscribed_topic_names.clone();
        // What a pattern means only the broker knows.
        topics.extend(target.map(|topic| topic.topic_name));
        let (mut metadata, mut assignment) = (Vec::new(), Vec::new());
        Subscription { topics, ..Default::default() }.encode(0, &mut metadata);
        let has = member.assignment.topic_partitions.iter();
        let has = has.map(|topic| TopicPartitions {
            topic: topic.topic_name,
            partitions: topic.partitions.clone(),
        });
        let has = Assignment { assigned_partitions: has.collect(), user_data: None };
        has.encode(0, &mut assignment);
        GroupMember {
            id: member.member_id.to_owned(),
            instance: member.instance_id.map(str::to_owned),
            client_id: member.client_id.to_owned(),
            host: member.client_host.trim_start_matches('/').to_owned(),
            metadata,
            assignment,
        }
    });
    Ok(Some(Group {
        state: found.group_state.to_owned(),
        protocol_type: PROTOCOL_TYPE.to_owned(),
        protocol: found.assignor_name.to_owned(),
        members: members.collect(),
    }))
}

/// The groups of every broker.
pub async fn list_groups(cluster: &Cluster) -> Result<Vec<ListedGroup>> {
    cluster
        .retry(async || {
            let metadata = cluster.metadata(Scope::None).await?;
            let mut groups = Vec::new();
            for &id in metadata.brokers.keys() {
                let connection = cluster.broker(id).await?;
                let answer = connection.call::<ListGroups>(&ListGroupsRequest::default()).await?;
                let response = answer.decode()?;
                if !response.error_code.is_none() {
                    return Err(Error::refused("the groups", response.error_code, None));
                }
                groups.extend(response.groups.iter().map(|group| ListedGroup {
                    name: group.group_id.to_owned(),
                    protocol_type: group.protocol_type.to_owned(),
                    state: group.group_state.to_owned(),
                    kind: group.group_type.to_owned(),
                    coordinator: id,
                }));
            }
            groups.sort_by(|a, b| a.name.cmp(&b.name));
            groups.dedup_by(|a, b| a.name == b.name);
            Ok(groups)
        })
        .await
}

/// Everything that a group has committed.
pub async fn committed(cluster: &Cluster, group: &str) -> Result<Committed> {
    cluster
        .retry(async || {
            let (_, connection) = coordinator(cluster, group).await?;
            let version = connection.version_at_most::<OffsetFetch>(FETCH_BY_ID - 1)?;
            let request = OffsetFetchRequest {
                group_id: group,
                topics: None,
                groups: vec![OffsetFetchRequestGroup { group_id: group, ..Default::default() }],
                require_stable: false,
            };
            let answer = connection.send::<OffsetFetch>(version, &request).answer().await?;
            let response = answer.decode()?;
            let mut found = Committed::new();
            let mut take = |topic: &str, partition: i32, offset: Offset, code: ErrorCode| {
                accepted(group, code, None)?;
                if offset >= 0 {
                    found.insert((topic.to_owned(), partition), offset);
                }
                Ok::<(), Error>(())
            };
            if version >= SEVERAL_GROUPS {
                for of in &response.groups {
                    accepted(group, of.error_code, None)?;
                    for topic in &of.topics {
                        for one in &topic.partitions {
                            let offset = one.committed_offset;
                            take(topic.name, one.partition_index, offset, one.error_code)?;
                        }
                    }
                }
            } else {
                accepted(group, response.error_code, None)?;
                for topic in &response.topics {
                    for one in &topic.partitions {
                        let offset = one.committed_offset;
                        take(topic.name, one.partition_index, offset, one.error_code)?;
                    }
                }
            }
            Ok(found)
        })
        .await
}

/// Commits in the name of a group without members.
pub async fn commit(cluster: &Cluster, group: &str, offsets: &Committed) -> Result<()> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition<'_>>> = BTreeMap::new();
    for ((topic, partition), offset) in offsets {
        topics.entry(topic).or_default().push(OffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: *offset,
            ..Default::default()
        });
    }
    cluster
        .retry(async || {
            let (_, connection) = coordinator(cluster, group).await?;
            let version = connection.version_at_most::<OffsetCommit>(COMMIT_BY_ID - 1)?;
            let request = OffsetCommitRequest {
                group_id: group,
                topics: topics
                    .iter()
                    .map(|(&name, partitions)| OffsetCommitRequestTopic {
                        name,
                        partitions: partitions.clone(),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            };
            let answer = connection.send::<OffsetCommit>(version, &request).answer().await?;
            let response = answer.decode()?;
            for topic in &response.topics {
                for one in &topic.partitions {
                    if !one.error_code.is_none() {
                        let subject =
                            format!("group {group}, {}-{}", topic.name, one.partition_index);
                        return Err(Error::refused(subject, one.error_code, None));
                    }
                }
            }
            Ok(())
        })
        .await
}

/// Removes a group without members, and what it has committed.
pub async fn delete_group(cluster: &Cluster, group: &str) -> Result<()> {
    cluster
        .retry(async || {
            let (_, connection) = coordinator(cluster, group).await?;
            let request = DeleteGroupsRequest { groups_names: vec![group] };
            let answer = connection.call::<DeleteGroups>(&request).await?;
            let response = answer.decode()?;
            let code = response.results.first().map_or(ErrorCode::NONE, |one| one.error_code);
            accepted(group, code, None)
        })
        .await
}
