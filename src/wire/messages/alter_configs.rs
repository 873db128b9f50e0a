//! AlterConfigs: replaces all settings of a resource. Old; clients now use IncrementalAlterConfigs.

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api AlterConfigs = 33, versions 0-2, flexible 2+;

    request AlterConfigsRequest<'a> {
        resources: Vec<AlterConfigsResource<'a>>, 0+;
        validate_only: bool, 0+;
    }

    response AlterConfigsResponse<'a> {
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
        value: Option<&'a str>, 0+, null 0+;
    }

    struct AlterConfigsResourceResponse<'a> {
        error_code: ErrorCode, 0+;
        error_message: Option<&'a str>, 0+, null 0+;
        resource_type: i8, 0+;
        resource_name: &'a str, 0+;
    }
}

impl<'a> Refuse<'a> for AlterConfigs {
    fn refusal(
        request: &AlterConfigsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> AlterConfigsResponse<'a> {
        let refuse_resource = |resource: &AlterConfigsResource<'a>| AlterConfigsResourceResponse {
            error_code: error,
            error_message: Some(error.message()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        };
        AlterConfigsResponse {
            responses: request.resources.iter().map(refuse_resource).collect(),
            ..Default::default()
        }
    }
}
