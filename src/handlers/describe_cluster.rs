//! DescribeCluster: the lanes of every host (KIP-700).

use super::Cx;
use super::metadata::CLUSTER_OPERATIONS;
use super::reply::Reply;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::describe_cluster::{
    DescribeCluster, DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

/// Endpoint types of KIP-919.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub async fn handle(cx: &Cx<'_>, request: DescribeClusterRequest) -> Reply {
    let image = cx.shard().image();
    let cluster_id = image.cluster_id().to_string();
    let mut response = DescribeClusterResponse::default();
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            response.error_code = ErrorCode::MISMATCHED_ENDPOINT_TYPE;
            response.error_message = Some("this listener is for brokers, not for controllers");
            return cx.reply::<DescribeCluster>(&response);
        }
        _ => {
            response.error_code = ErrorCode::UNSUPPORTED_ENDPOINT_TYPE;
            response.error_message = Some("unknown endpoint type");
            return cx.reply::<DescribeCluster>(&response);
        }
    }
    response.cluster_id = &cluster_id;
    response.controller_id = cx.controller_id();
    for (node, lane) in image.brokers() {
        response.brokers.push(DescribeClusterBroker {
            broker_id: lane.broker.0,
            host: &lane.host,
            port: i32::from(lane.port),
            rack: node.rack.as_deref(),
            is_fenced: false,
        });
    }
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    cx.reply::<DescribeCluster>(&response)
}
