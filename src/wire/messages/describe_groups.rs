//! DescribeGroups: classic groups with their members. Version 6 tells a group that is missing from a
//! dead one (KIP-1043).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api DescribeGroups = 15, versions 0-6, flexible 5+;

    request DescribeGroupsRequest<'a> {
        groups: Vec<&'a str>, 0+;
        include_authorized_operations: bool, 3+;
    }

    response DescribeGroupsResponse<'a> {
        throttle_time_ms: i32, 1+;
        groups: Vec<DescribedGroup<'a>>, 0+;
    }

    struct DescribedGroup<'a> {
        error_code: ErrorCode, 0+;
        error_message: Option<&'a str>, 6+, null 6+;
        group_id: &'a str, 0+;
        group_state: &'a str, 0+;
        protocol_type: &'a str, 0+;
        protocol_data: &'a str, 0+;
        members: Vec<DescribedGroupMember<'a>>, 0+;
        authorized_operations: i32, 3+, default i32::MIN;
    }

    struct DescribedGroupMember<'a> {
        member_id: &'a str, 0+;
        group_instance_id: Option<&'a str>, 4+, null 4+;
        client_id: &'a str, 0+;
        client_host: &'a str, 0+;
        member_metadata: &'a [u8], 0+;
        member_assignment: &'a [u8], 0+;
    }
}

impl<'a> Refuse<'a> for DescribeGroups {
    fn refusal(
        request: &DescribeGroupsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> DescribeGroupsResponse<'a> {
        let refuse = |&group_id: &&'a str| DescribedGroup {
            group_id,
            error_code: error,
            error_message: Some(error.message()),
            ..Default::default()
        };
        DescribeGroupsResponse {
            groups: request.groups.iter().map(refuse).collect(),
            ..Default::default()
        }
    }
}
