//! DeleteGroups: forgets empty groups and what they committed. Version 3 says why one was not deleted.

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api DeleteGroups = 42, versions 0-3, flexible 2+;

    request DeleteGroupsRequest<'a> {
        groups_names: Vec<&'a str>, 0+;
    }

    response DeleteGroupsResponse<'a> {
        throttle_time_ms: i32, 0+;
        results: Vec<DeletableGroupResult<'a>>, 0+;
    }

    struct DeletableGroupResult<'a> {
        group_id: &'a str, 0+;
        error_code: ErrorCode, 0+;
        error_message: Option<&'a str>, 3+, null 3+;
    }
}

impl<'a> Refuse<'a> for DeleteGroups {
    fn refusal(
        request: &DeleteGroupsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> DeleteGroupsResponse<'a> {
        let refuse = |&group_id: &&'a str| DeletableGroupResult {
            group_id,
            error_code: error,
            error_message: Some(error.message()),
        };
        DeleteGroupsResponse {
            results: request.groups_names.iter().map(refuse).collect(),
            ..Default::default()
        }
    }
}
