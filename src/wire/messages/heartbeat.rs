//! Heartbeat: a member of a classic group is alive, and learns whether the group rebalances.

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api Heartbeat = 12, versions 0-4, flexible 4+;

    request HeartbeatRequest<'a> {
        group_id: &'a str, 0+;
        generation_id: i32, 0+;
        member_id: &'a str, 0+;
        group_instance_id: Option<&'a str>, 3+, null 3+;
    }

    response HeartbeatResponse {
        throttle_time_ms: i32, 1+;
        error_code: ErrorCode, 0+;
    }
}

impl<'a> Refuse<'a> for Heartbeat {
    fn refusal(
        _request: &HeartbeatRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> HeartbeatResponse {
        HeartbeatResponse { error_code: error, ..Default::default() }
    }
}
