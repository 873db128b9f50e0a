//! JoinGroup: enters a group of the classic protocol and waits for its next generation. Version 4 gives
//! the member id before it lets in (KIP-394), version 5 knows static members (KIP-345), version 9 spares
//! a static leader the assignment (KIP-814).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api JoinGroup = 11, versions 0-9, flexible 6+;

    request JoinGroupRequest<'a> {
        group_id: &'a str, 0+;
        session_timeout_ms: i32, 0+;
        rebalance_timeout_ms: i32, 1+, default -1;
        member_id: &'a str, 0+;
        group_instance_id: Option<&'a str>, 5+, null 5+;
        protocol_type: &'a str, 0+;
        protocols: Vec<JoinGroupRequestProtocol<'a>>, 0+;
        reason: Option<&'a str>, 8+, null 8+;
    }

    response JoinGroupResponse<'a> {
        throttle_time_ms: i32, 2+;
        error_code: ErrorCode, 0+;
        generation_id: i32, 0+, default -1;
        protocol_type: Option<&'a str>, 7+, null 7+;
        protocol_name: Option<&'a str>, 0+, null 7+;
        leader: &'a str, 0+;
        skip_assignment: bool, 9+;
        member_id: &'a str, 0+;
        members: Vec<JoinGroupResponseMember<'a>>, 0+;
    }

    struct JoinGroupRequestProtocol<'a> {
        name: &'a str, 0+;
        metadata: &'a [u8], 0+;
    }

    struct JoinGroupResponseMember<'a> {
        member_id: &'a str, 0+;
        group_instance_id: Option<&'a str>, 5+, null 5+;
        metadata: &'a [u8], 0+;
    }
}

impl<'a> Refuse<'a> for JoinGroup {
    fn refusal(
        _request: &JoinGroupRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> JoinGroupResponse<'a> {
        JoinGroupResponse { error_code: error, ..Default::default() }
    }
}
