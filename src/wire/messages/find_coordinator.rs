//! FindCoordinator: who coordinates a group or a transaction. Version 4 asks for several keys at
//! once (KIP-699).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api FindCoordinator = 10, versions 0-6, flexible 3+;

    request FindCoordinatorRequest<'a> {
        key: &'a str, 0-3;
        key_type: i8, 1+;
        coordinator_keys: Vec<&'a str>, 4+;
    }

    response FindCoordinatorResponse<'a> {
        throttle_time_ms: i32, 1+;
        error_code: ErrorCode, 0-3;
        error_message: Option<&'a str>, 1-3, null 1+;
        node_id: i32, 0-3;
        host: &'a str, 0-3;
        port: i32, 0-3;
        coordinators: Vec<Coordinator<'a>>, 4+;
    }

    struct Coordinator<'a> {
        key: &'a str, 4+;
        node_id: i32, 4+;
        host: &'a str, 4+;
        port: i32, 4+;
        error_code: ErrorCode, 4+;
        error_message: Option<&'a str>, 4+, null 4+;
    }
}

impl<'a> Refuse<'a> for FindCoordinator {
    fn refusal(
        request: &FindCoordinatorRequest<'a>,
        version: i16,
        error: ErrorCode,
    ) -> FindCoordinatorResponse<'a> {
        let refuse = |&key: &&'a str| Coordinator {
            key,
            node_id: -1,
            host: "",
            port: -1,
            error_code: error,
            error_message: Some(error.message()),
        };
        let keys = if version >= 4 { request.coordinator_keys.as_slice() } else { &[] };
        FindCoordinatorResponse {
            error_code: error,
            error_message: Some(error.message()),
            node_id: -1,
            port: -1,
            coordinators: keys.iter().map(refuse).collect(),
            ..Default::default()
        }
    }
}
