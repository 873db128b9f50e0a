//! Consumer groups seen from outside: which there are, what they have committed.

use std::collections::BTreeMap;

use crate::client::{Cluster, Error, Result, Scope, coordinator};
use crate::model::{BrokerId, ErrorCode, Offset};
use crate::wire::messages::delete_groups::{DeleteGroups, DeleteGroupsRequest};
use crate::wire::messages::list_groups::{ListGroups, ListGroupsRequest};
use crate::wire::messages::offset_commit::{
    OffsetCommit, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::offset_fetch::{
    OffsetFetch, OffsetFetchRequest, OffsetFetchRequestGroup,
};

/// Several groups in one request, from here on.
const SEVERAL_GROUPS: i16 = 8;
/// Topics are named by id from these versions on.
const COMMIT_BY_ID: i16 = 10;
const FETCH_BY_ID: i16 = 10;

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

/// What is committed for one partition, and what was written beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    pub offset: Offset,
    pub note: String,
}

fn accepted(group: &str, code: ErrorCode, message: Option<&str>) -> Result<()> {
    match code {
        ErrorCode::NONE => Ok(()),
        code => Err(Error::refused(format!("group {group}"), code, message)),
    }
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
    let found = cluster.retry(async || offsets(cluster, group, false).await).await?;
    Ok(found.into_iter().map(|(place, committed)| (place, committed.offset)).collect())
}

/// The same with what was written beside the offsets, and only when no transaction holds any of
/// them (KIP-447).
pub async fn committed_and_stable(
    cluster: &Cluster,
    group: &str,
) -> Result<BTreeMap<(String, i32), CommittedOffset>> {
    cluster.retry(async || offsets(cluster, group, true).await).await
}

async fn offsets(
    cluster: &Cluster,
    group: &str,
    stable: bool,
) -> Result<BTreeMap<(String, i32), CommittedOffset>> {
    let (_, connection) = coordinator(cluster, group).await?;
    let version = connection.version_at_most::<OffsetFetch>(FETCH_BY_ID - 1)?;
    let request = OffsetFetchRequest {
        group_id: group,
        topics: None,
        groups: vec![OffsetFetchRequestGroup { group_id: group, ..Default::default() }],
        require_stable: stable,
    };
    let answer = connection.send::<OffsetFetch>(version, &request).answer().await?;
    let response = answer.decode()?;
    let mut found = BTreeMap::new();
    let mut take = |topic: &str, one: (i32, Offset, Option<&str>, ErrorCode)| {
        let (partition, offset, note, code) = one;
        accepted(group, code, None)?;
        if offset >= 0 {
            let committed = CommittedOffset { offset, note: note.unwrap_or_default().to_owned() };
            found.insert((topic.to_owned(), partition), committed);
        }
        Ok::<(), Error>(())
    };
    if version >= SEVERAL_GROUPS {
        for of in &response.groups {
            accepted(group, of.error_code, None)?;
            for topic in &of.topics {
                for one in &topic.partitions {
                    let offset = one.committed_offset;
                    let told = (one.partition_index, offset, one.metadata, one.error_code);
                    take(topic.name, told)?;
                }
            }
        }
    } else {
        accepted(group, response.error_code, None)?;
        for topic in &response.topics {
            for one in &topic.partitions {
                let offset = one.committed_offset;
                take(topic.name, (one.partition_index, offset, one.metadata, one.error_code))?;
            }
        }
    }
    Ok(found)
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
