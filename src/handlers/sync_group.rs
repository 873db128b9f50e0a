//! SyncGroup: answered with the member's part when the group's leader has handed in all of them.

use super::Cx;
use super::groups::UNEXPECTED;
use super::reply::Reply;
use crate::coordinator::group::{Answer, Ask, Identity, Sync, Synced};
use crate::model::error_code::ErrorCode;
use crate::wire::messages::sync_group::{SyncGroup, SyncGroupRequest, SyncGroupResponse};

/// From here on the request says by which protocol the member shares.
const NAMES_PROTOCOL: i16 = 5;

pub async fn handle(cx: &Cx<'_>, request: SyncGroupRequest<'_>) -> Reply {
    let lacks_protocol = request.protocol_type.is_none() || request.protocol_name.is_none();
    let synced = if cx.version() >= NAMES_PROTOCOL && lacks_protocol {
        Synced::refused(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
    } else {
        let sync = Sync {
            who: Identity {
                member: request.member_id.to_owned(),
                instance: request.group_instance_id.map(str::to_owned),
                generation: request.generation_id,
            },
            protocol_type: request.protocol_type.map(str::to_owned),
            protocol_name: request.protocol_name.map(str::to_owned),
            assignments: request
                .assignments
                .iter()
                .map(|one| (one.member_id.to_owned(), one.assignment.to_vec()))
                .collect(),
        };
        match cx.ask_group(request.group_id, Ask::Sync(Box::new(sync))).await {
            Ok(Answer::Synced(synced)) => synced,
            Ok(_) => Synced::refused(UNEXPECTED),
            Err(error) => Synced::refused(error),
        }
    };
    cx.reply::<SyncGroup>(&SyncGroupResponse {
        error_code: synced.error,
        protocol_type: synced.protocol_type.as_deref(),
        protocol_name: synced.protocol_name.as_deref(),
        assignment: &synced.assignment,
        ..Default::default()
    })
}
