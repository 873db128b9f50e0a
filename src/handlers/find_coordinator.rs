//! FindCoordinator: the lane of the core on which the partition of a group or a transactional id
//! lives. The topic that keeps them is made when somebody asks for the first time.

use super::Cx;
use super::reply::Reply;
use crate::cluster::ClusterImage;
use crate::coordinator::group::Groups;
use crate::coordinator::hash::partition_of;
use crate::coordinator::txn::TxnMachine;
use crate::model::error_code::ErrorCode;
use crate::model::ids::PartitionId;
use crate::shard::Shard;
use crate::shard::coordinators::Coordinated;
use crate::wire::messages::Refuse;
use crate::wire::messages::find_coordinator::{
    Coordinator, FindCoordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};

/// Kafka: CoordinatorType. Share groups have none here.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// Several keys at once (KIP-699).
const SEVERAL: i16 = 4;

pub async fn handle(cx: &Cx<'_>, request: FindCoordinatorRequest<'_>) -> Reply {
    let version = cx.version();
    let topic = match request.key_type {
        TRANSACTION => TxnMachine::TOPIC,
        _ => Groups::TOPIC,
    };
    let needed = match request.key_type {
        GROUP => cx.shard().need_topic::<Groups>().await,
        TRANSACTION => cx.shard().need_topic::<TxnMachine>().await,
        2 => Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        _ => Err(ErrorCode::INVALID_REQUEST),
    };
    if let Err(error) = needed {
        return cx.reply::<FindCoordinator>(&FindCoordinator::refusal(&request, version, error));
    }
    let (shard, image) = (cx.shard(), cx.shard().image());
    if version >= SEVERAL {
        let keys = request.coordinator_keys.iter();
        let coordinators = keys.map(|key| find(shard, &image, topic, key)).collect();
        let response = FindCoordinatorResponse { coordinators, ..Default::default() };
        return cx.reply::<FindCoordinator>(&response);
    }
    let found = find(shard, &image, topic, request.key);
    cx.reply::<FindCoordinator>(&FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: found.error_message.or(Some("NONE")),
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    })
}

fn find<'a>(shard: &Shard, image: &'a ClusterImage, topic: &str, key: &'a str) -> Coordinator<'a> {
    let lane = image.topic(topic).and_then(|topic| {
        let partition = PartitionId(partition_of(key, topic.partitions.len()));
        let broker = shard.leader_of(image, topic, partition)?;
        image.broker(broker)
    });
    match lane {
        Some((_, lane)) => Coordinator {
            key,
            node_id: lane.broker.0,
            host: &lane.host,
            port: i32::from(lane.port),
            ..Default::default()
        },
        None => Coordinator {
            key,
            node_id: -1,
            port: -1,
            error_code: ErrorCode::COORDINATOR_NOT_AVAILABLE,
            error_message: Some(ErrorCode::COORDINATOR_NOT_AVAILABLE.message()),
            ..Default::default()
        },
    }
}
