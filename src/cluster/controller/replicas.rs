//! Replicas of new partitions: as the request names them, or as placement finds them.

use super::Refusal;
use crate::cluster::placement::{Loads, turn};
use crate::cluster::{ClusterImage, Replica, lanes};
use crate::model::{BrokerId, ErrorCode, PartitionId, TopicId};

/// The brokers that somebody wants for a partition, the preferred leader first.
pub type Assignment = Vec<BrokerId>;

/// Each broker is a lane: its host gets the replica, the least busy core of that lane owns it.
pub(super) fn assigned(
    image: &ClusterImage,
    loads: &mut Loads,
    id: TopicId,
    partition: PartitionId,
    brokers: &Assignment,
) -> Result<Vec<Replica>, Refusal> {
    let refuse =
        |message: String| Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
    if brokers.is_empty() {
        return refuse(format!("partition {partition} is assigned to no broker"));
    }
    let mut replicas: Vec<Replica> = Vec::with_capacity(brokers.len());
    for &broker in brokers {
        let Some((node, lane)) = image.broker(broker) else {
            return refuse(format!("partition {partition}: broker {broker} is not registered"));
        };
        if replicas.iter().any(|replica| replica.node == node.id) {
            return refuse(format!(
                "partition {partition} is assigned to host {} twice; its brokers are lanes of it",
                node.id
            ));
        }
        let lane = lane.broker;
        let in_lane =
            |core| lanes::broker_id(node.id, lanes::lane_of(core, node.lanes.len())) == lane;
        let core = loads.place(node.id, turn(id, partition), in_lane);
        replicas.push(Replica { node: node.id, core: core.expect("a lane has a core") });
    }
    Ok(replicas)
}

/// Replicas on the least busy hosts.
pub(super) fn placed(
    loads: &mut Loads,
    id: TopicId,
    partition: PartitionId,
    count: usize,
) -> Result<Vec<Replica>, Refusal> {
    let hosts = loads.nodes();
    if count > hosts {
        return Err(Refusal::new(
            ErrorCode::INVALID_REPLICATION_FACTOR,
            format!(
                "a replication factor of {count} needs as many hosts, and {hosts} are registered"
            ),
        ));
    }
    Ok(loads.assign(id, partition, count))
}
