//! ListOffsets over a topic: the offset that belongs to a time, or to one of the protocol's names for
//! ends, asked of every partition's leader at once.

use std::collections::BTreeMap;

use crate::client::{Cluster, Error, Result, Topic};
use crate::model::BrokerId;
use crate::wire::messages::list_offsets::{
    ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};

/// Whether records of transactions under way, or aborted, are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    #[default]
    ReadUncommitted,
    ReadCommitted,
}

impl Isolation {
    /// As it stands on the wire.
    pub fn level(self) -> i8 {
        match self {
            Isolation::ReadUncommitted => 0,
            Isolation::ReadCommitted => 1,
        }
    }
}

/// An answer for one partition; -1 where there is none, such as no record at or after a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAt {
    pub offset: i64,
    pub timestamp: i64,
}

/// Asks once, for pairs of partition and time (`list_offsets::LATEST` and so on). Fails as a whole
/// if any partition does.
pub async fn list_offsets(
    cluster: &Cluster,
    name: &str,
    topic: &Topic,
    wanted: &[(i32, i64)],
    isolation: Isolation,
) -> Result<BTreeMap<i32, OffsetAt>> {
    let mut by_leader: BTreeMap<BrokerId, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for &(index, timestamp) in wanted {
        let leader = topic.partition(index).and_then(|partition| partition.leader);
        let leader =
            leader.ok_or_else(|| Error::NoLeader { subject: format!("{name}-{index}") })?;
        by_leader.entry(leader).or_default().push(ListOffsetsPartition {
            partition_index: index,
            timestamp,
            ..Default::default()
        });
    }
    let mut pending = Vec::new();
    for (leader, partitions) in by_leader {
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level: isolation.level(),
            topics: vec![ListOffsetsTopic { name, partitions }],
            timeout_ms: cluster.options().request_timeout.as_millis() as i32,
        };
        let connection = cluster.broker(leader).await?;
        pending
            .push(connection.send::<ListOffsets>(connection.version::<ListOffsets>()?, &request));
    }
    let mut found = BTreeMap::new();
    for pending in pending {
        let answer = pending.answer().await?;
        let response = answer.decode()?;
        for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
            let index = partition.partition_index;
            if !partition.error_code.is_none() {
                return Err(Error::refused(format!("{name}-{index}"), partition.error_code, None));
            }
            let at = OffsetAt { offset: partition.offset, timestamp: partition.timestamp };
            found.insert(index, at);
        }
    }
    match wanted.iter().find(|(index, _)| !found.contains_key(index)) {
        None => Ok(found),
        Some((index, _)) => {
            let reason = format!("no offset of {name}-{index} in an answer to ListOffsets");
            Err(Error::Malformed { peer: "a broker".to_owned(), reason })
        }
    }
}
