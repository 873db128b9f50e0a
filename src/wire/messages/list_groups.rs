//! ListGroups: the groups that this broker coordinates, by state from version 4 (KIP-518), by type from
//! version 5 (KIP-848).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api ListGroups = 16, versions 0-5, flexible 3+;

    request ListGroupsRequest<'a> {
        states_filter: Vec<&'a str>, 4+;
        types_filter: Vec<&'a str>, 5+;
    }

    response ListGroupsResponse<'a> {
        throttle_time_ms: i32, 1+;
        error_code: ErrorCode, 0+;
        groups: Vec<ListedGroup<'a>>, 0+;
    }

    struct ListedGroup<'a> {
        group_id: &'a str, 0+;
        protocol_type: &'a str, 0+;
        group_state: &'a str, 4+;
        group_type: &'a str, 5+;
    }
}

impl<'a> Refuse<'a> for ListGroups {
    fn refusal(
        _request: &ListGroupsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> ListGroupsResponse<'a> {
        ListGroupsResponse { error_code: error, ..Default::default() }
    }
}
