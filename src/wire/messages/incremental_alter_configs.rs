//! IncrementalAlterConfigs: changes single settings of a resource (KIP-339).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api IncrementalAlterConfigs = 44, versions 0-1, flexible 1+;

    request IncrementalAlterConfigsRequest<'a> {
        resources: Vec<AlterConfigsResource<'a>>, 0+;
        validate_only: bool, 0+;
    }

    response IncrementalAlterConfigsResponse<'a> {
        throttle_time_ms: i32, 0+;
        responses: Vec<AlterConfigsResourceResponse<'a>>, 0+;
    }

    struct AlterConfigsResource<'a> {
        resource_type: i8, 0+;
        resource_name: &'a str, 0+;
        configs: Vec<AlterableConfig<'a>>, 0+;
    }

    struct AlterableConfig<'a> {
        name: &'a str, 0+;
        config_operation: i8, 0+;
        value: Option<&'a str>, 0+, null 0+;
    }

    struct AlterConfigsResourceResponse<'a> {
        error_code: ErrorCode, 0+;
        error_message: Option<&'a str>, 0+, null 0+;
        resource_type: i8, 0+;
        resource_name: &'a str, 0+;
    }
}

impl<'a> Refuse<'a> for IncrementalAlterConfigs {
    fn refusal(
        request: &IncrementalAlterConfigsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> IncrementalAlterConfigsResponse<'a> {
        let refuse_resource = |resource: &AlterConfigsResource<'a>| AlterConfigsResourceResponse {
            error_code: error,
            error_message: Some(error.message()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        };
        IncrementalAlterConfigsResponse {
            responses: request.resources.iter().map(refuse_resource).collect(),
            ..Default::default()
        }
    }
}
