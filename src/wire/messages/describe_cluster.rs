//! DescribeCluster: the cluster's id, controller and brokers (KIP-700). Version 1 chooses between
//! brokers and controllers (KIP-919), version 2 shows fenced brokers too (KIP-1073).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

pub use crate::wire::messages::metadata::OPERATIONS_NOT_ASKED;

/// The endpoint type of brokers; controllers have 2.
pub const BROKERS: i8 = 1;

message! {
    api DescribeCluster = 60, versions 0-2, flexible 0+;

    request DescribeClusterRequest {
        include_cluster_authorized_operations: bool, 0+;
        endpoint_type: i8, 1+, default BROKERS;
        include_fenced_brokers: bool, 2+;
    }

    response DescribeClusterResponse<'a> {
        throttle_time_ms: i32, 0+;
        error_code: ErrorCode, 0+;
        error_message: Option<&'a str>, 0+, null 0+;
        endpoint_type: i8, 1+, default BROKERS;
        cluster_id: &'a str, 0+;
        controller_id: i32, 0+, default -1;
        brokers: Vec<DescribeClusterBroker<'a>>, 0+;
        cluster_authorized_operations: i32, 0+, default OPERATIONS_NOT_ASKED;
    }

    struct DescribeClusterBroker<'a> {
        broker_id: i32, 0+;
        host: &'a str, 0+;
        port: i32, 0+;
        rack: Option<&'a str>, 0+, null 0+;
        is_fenced: bool, 2+;
    }
}

impl<'a> Refuse<'a> for DescribeCluster {
    fn refusal(
        _request: &DescribeClusterRequest,
        _version: i16,
        error: ErrorCode,
    ) -> DescribeClusterResponse<'a> {
        DescribeClusterResponse {
            error_code: error,
            error_message: Some(error.message()),
            ..Default::default()
        }
    }
}
