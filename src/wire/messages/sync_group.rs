//! SyncGroup: the leader of a classic group hands over the assignment, everybody gets their part.
//! Version 5 says for which protocol (KIP-559).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api SyncGroup = 14, versions 0-5, flexible 4+;

    request SyncGroupRequest<'a> {
        group_id: &'a str, 0+;
        generation_id: i32, 0+;
        member_id: &'a str, 0+;
        group_instance_id: Option<&'a str>, 3+, null 3+;
        protocol_type: Option<&'a str>, 5+, null 5+;
        protocol_name: Option<&'a str>, 5+, null 5+;
        assignments: Vec<SyncGroupRequestAssignment<'a>>, 0+;
    }

    response SyncGroupResponse<'a> {
        throttle_time_ms: i32, 1+;
        error_code: ErrorCode, 0+;
        protocol_type: Option<&'a str>, 5+, null 5+;
        protocol_name: Option<&'a str>, 5+, null 5+;
        assignment: &'a [u8], 0+;
    }

    struct SyncGroupRequestAssignment<'a> {
        member_id: &'a str, 0+;
        assignment: &'a [u8], 0+;
    }
}

impl<'a> Refuse<'a> for SyncGroup {
    fn refusal(
        _request: &SyncGroupRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> SyncGroupResponse<'a> {
        SyncGroupResponse { error_code: error, ..Default::default() }
    }
}
