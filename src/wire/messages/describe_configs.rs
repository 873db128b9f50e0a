//! DescribeConfigs: the settings of topics, brokers and groups. Version 1 tells synonyms, version 3
//! documentation and types (KIP-569).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api DescribeConfigs = 32, versions 1-4, flexible 4+;

    request DescribeConfigsRequest<'a> {
        resources: Vec<DescribeConfigsResource<'a>>, 0+;
        include_synonyms: bool, 1+;
        include_documentation: bool, 3+;
    }

    response DescribeConfigsResponse<'a> {
        throttle_time_ms: i32, 0+;
        results: Vec<DescribeConfigsResult<'a>>, 0+;
    }

    struct DescribeConfigsResource<'a> {
        resource_type: i8, 0+;
        resource_name: &'a str, 0+;
        configuration_keys: Option<Vec<&'a str>>, 0+, null 0+;
    }

    struct DescribeConfigsResult<'a> {
        error_code: ErrorCode, 0+;
        error_message: Option<&'a str>, 0+, null 0+;
        resource_type: i8, 0+;
        resource_name: &'a str, 0+;
        configs: Vec<DescribeConfigsResourceResult<'a>>, 0+;
    }

    struct DescribeConfigsResourceResult<'a> {
        name: &'a str, 0+;
        value: Option<&'a str>, 0+, null 0+;
        read_only: bool, 0+;
        config_source: i8, 1+, default -1;
        is_sensitive: bool, 0+;
        synonyms: Vec<DescribeConfigsSynonym<'a>>, 1+;
        config_type: i8, 3+;
        documentation: Option<&'a str>, 3+, null 0+;
    }

    struct DescribeConfigsSynonym<'a> {
        name: &'a str, 1+;
        value: Option<&'a str>, 1+, null 0+;
        source: i8, 1+;
    }
}

impl<'a> Refuse<'a> for DescribeConfigs {
    fn refusal(
        request: &DescribeConfigsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> DescribeConfigsResponse<'a> {
        let refuse_resource = |resource: &DescribeConfigsResource<'a>| DescribeConfigsResult {
            error_code: error,
            error_message: Some(error.message()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configs: Vec::new(),
        };
        DescribeConfigsResponse {
            results: request.resources.iter().map(refuse_resource).collect(),
            ..Default::default()
        }
    }
}
