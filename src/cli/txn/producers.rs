//! What the leaders of partitions know of producers with a transaction under way.

use std::collections::BTreeMap;

use crate::client::{Cluster, Error, Result, Scope};
use crate::model::{BrokerId, ErrorCode};
use crate::wire::messages::describe_producers::{
    DescribeProducers, DescribeProducersRequest, TopicRequest,
};

/// A transaction under way in one partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Open {
    pub topic: String,
    pub partition: i32,
    pub leader: BrokerId,
    pub producer_id: i64,
    pub producer_epoch: i32,
    pub coordinator_epoch: i32,
    pub start_offset: i64,
    /// Unix ms of its last batch.
    pub last_timestamp: i64,
}

/// The partitions, by their leaders.
pub type Places = BTreeMap<BrokerId, BTreeMap<String, Vec<i32>>>;

/// Every partition of the topics, or of all; only this one, if one is given.
pub async fn places(cluster: &Cluster, topic: Option<&str>, only: Option<i32>) -> Result<Places> {
    let names: Vec<&str> = topic.into_iter().collect();
    let scope = if names.is_empty() { Scope::All } else { Scope::Topics(&names) };
    let metadata = cluster.metadata(scope).await?;
    let mut places = Places::new();
    for (name, topic) in &metadata.topics {
        if !topic.error.is_none() {
            return Err(Error::refused(format!("topic {name}"), topic.error, None));
        }
        let wanted = topic.partitions.iter().filter(|it| only.is_none_or(|only| it.index == only));
        for partition in wanted {
            let Some(leader) = partition.leader else {
                let subject = format!("{name}-{}", partition.index);
                return Err(Error::refused(subject, ErrorCode::LEADER_NOT_AVAILABLE, None));
            };
            let of_leader = places.entry(leader).or_default();
            of_leader.entry(name.clone()).or_default().push(partition.index);
        }
    }
    Ok(places)
}

/// The transactions under way in these partitions.
pub async fn open(cluster: &Cluster, places: &Places) -> Result<Vec<Open>> {
    let mut found = Vec::new();
    for (&leader, topics) in places {
        let request = DescribeProducersRequest {
            topics: topics
                .iter()
                .map(|(name, numbers)| TopicRequest { name, partition_indexes: numbers.clone() })
                .collect(),
        };
        let answer = cluster.broker(leader).await?.call::<DescribeProducers>(&request).await?;
        for topic in &answer.decode()?.topics {
            for partition in &topic.partitions {
                if !partition.error_code.is_none() {
                    let subject = format!("{}-{}", topic.name, partition.partition_index);
                    return Err(Error::refused(subject, partition.error_code, None));
                }
                let open = partition.active_producers.iter();
                let open = open.filter(|producer| producer.current_txn_start_offset >= 0);
                found.extend(open.map(|producer| Open {
                    topic: topic.name.to_owned(),
                    partition: partition.partition_index,
                    leader,
                    producer_id: producer.producer_id,
                    producer_epoch: producer.producer_epoch,
                    coordinator_epoch: producer.coordinator_epoch,
                    start_offset: producer.current_txn_start_offset,
                    last_timestamp: producer.last_timestamp,
                }));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
