//! CreatePartitions: more partitions for topics that exist.

use super::create_topics::check_room;
use super::replicas::{Assignment, assigned, placed};
use super::{Refusal, repeated};
use crate::cluster::placement::Loads;
use crate::cluster::{ClusterImage, Command};
use crate::config::limits::{PARTITIONS_CREATED_PER_REQUEST_MAX, PARTITIONS_PER_TOPIC_MAX};
use crate::model::{ErrorCode, PartitionId};

/// How many partitions a topic is to have in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MorePartitions {
    pub topic: String,
    pub count: i32,
    /// Brokers of each new partition; `None`: as placement finds them.
    pub assignments: Option<Vec<Assignment>>,
}

/// Decides on each topic, in order; the answers stand in the same order.
pub fn create_partitions(
    image: &ClusterImage,
    requested: &[MorePartitions],
) -> Vec<Result<Command, Refusal>> {
    let names: Vec<&str> = requested.iter().map(|more| more.topic.as_str()).collect();
    let repeated = repeated(&names);
    let mut image = image.clone();
    let mut loads = Loads::of(&image);
    let mut left = PARTITIONS_CREATED_PER_REQUEST_MAX;
    let decide = |more: &MorePartitions| {
        if repeated.contains(&more.topic.as_str()) {
            let message = format!("the request names topic {} more than once", more.topic);
            return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
        }
        let before = loads.clone();
        let command = decide(&image, &mut loads, left, more).inspect_err(|_| loads = before)?;
        if let Command::AddPartitions { partitions, .. } = &command {
            left -= partitions.len();
        }
        image.apply(&command);
        Ok(command)
    };
    requested.iter().map(decide).collect()
}

fn decide(
    image: &ClusterImage,
    loads: &mut Loads,
    left: usize,
    more: &MorePartitions,
) -> Result<Command, Refusal> {
    let Some(topic) = image.topic(&more.topic) else {
        let message = format!("there is no topic {}", more.topic);
        return Err(Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message));
    };
    let present = topic.partitions.len() as i32;
    let added = more.count.checked_sub(present).filter(|&added| added > 0);
    if let Some(added) = added {
        check_room(image, added as usize, left)?;
    }
    let Some(added) = added.filter(|_| more.count <= PARTITIONS_PER_TOPIC_MAX as i32) else {
        return Err(Refusal::new(
            ErrorCode::INVALID_PARTITIONS,
            format!(
                "topic {} has {present} partitions; it can have more, up to \
                 {PARTITIONS_PER_TOPIC_MAX}, and not {}",
                more.topic, more.count
            ),
        ));
    };
    let factor = topic.partitions[0].replicas.len();
    let refuse = |message: String| Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
    if let Some(assignments) = &more.assignments {
        if assignments.len() != added as usize {
            let given = assignments.len();
            return Err(refuse(format!("{added} partitions are new, {given} are assigned")));
        }
        if assignments.iter().any(|brokers| brokers.len() != factor) {
            let message = format!("every partition of the topic has {factor} replicas");
            return Err(refuse(message));
        }
    }
    let replicas = |(at, partition): (usize, PartitionId)| match &more.assignments {
        Some(assignments) => assigned(image, loads, topic.id, partition, &assignments[at]),
        None => placed(loads, topic.id, partition, factor),
    };
    let partitions = (present..more.count).map(PartitionId).enumerate().map(replicas);
    Ok(Command::AddPartitions {
        id: topic.id,
        first: PartitionId(present),
        partitions: partitions.collect::<Result<_, _>>()?,
    })
}
