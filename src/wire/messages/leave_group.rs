//! LeaveGroup: members go. Version 3 removes several at once, static ones by their instance id
//! (KIP-345); version 5 says why (KIP-800).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api LeaveGroup = 13, versions 0-5, flexible 4+;

    request LeaveGroupRequest<'a> {
        group_id: &'a str, 0+;
        member_id: &'a str, 0-2;
        members: Vec<MemberIdentity<'a>>, 3+;
    }

    response LeaveGroupResponse<'a> {
        throttle_time_ms: i32, 1+;
        error_code: ErrorCode, 0+;
        members: Vec<MemberResponse<'a>>, 3+;
    }

    struct MemberIdentity<'a> {
        member_id: &'a str, 3+;
        group_instance_id: Option<&'a str>, 3+, null 3+;
        reason: Option<&'a str>, 5+, null 5+;
    }

    struct MemberResponse<'a> {
        member_id: &'a str, 3+;
        group_instance_id: Option<&'a str>, 3+, null 3+;
        error_code: ErrorCode, 3+;
    }
}

impl<'a> Refuse<'a> for LeaveGroup {
    fn refusal(
        _request: &LeaveGroupRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> LeaveGroupResponse<'a> {
        LeaveGroupResponse { error_code: error, ..Default::default() }
    }
}
