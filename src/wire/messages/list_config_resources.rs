//! ListConfigResources: names of things that have settings. Version 0 was ListClientMetricsResources
//! and lists only those (KIP-1142).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

/// The resource type of client metrics subscriptions, the only one in version 0.
pub const CLIENT_METRICS: i8 = 16;

message! {
    api ListConfigResources = 74, versions 0-1, flexible 0+;

    request ListConfigResourcesRequest {
        resource_types: Vec<i8>, 1+;
    }

    response ListConfigResourcesResponse<'a> {
        throttle_time_ms: i32, 0+;
        error_code: ErrorCode, 0+;
        config_resources: Vec<ConfigResource<'a>>, 0+;
    }

    struct ConfigResource<'a> {
        resource_name: &'a str, 0+;
        resource_type: i8, 1+, default CLIENT_METRICS;
    }
}

impl<'a> Refuse<'a> for ListConfigResources {
    fn refusal(
        _request: &ListConfigResourcesRequest,
        _version: i16,
        error: ErrorCode,
    ) -> ListConfigResourcesResponse<'a> {
        ListConfigResourcesResponse { error_code: error, ..Default::default() }
    }
}
