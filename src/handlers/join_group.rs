//! JoinGroup: answered when the group's members are known, or at once when it cannot be joined.

use super::Cx;
use super::groups::UNEXPECTED;
use super::reply::Reply;
use crate::coordinator::group::{Answer, Ask, Join, Joined};
use crate::wire::messages::join_group::{
    JoinGroup, JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember,
};

/// From here on a new member is given its id first (KIP-394), and a static leader may be told that
/// nothing has to be assigned (KIP-814).
const ID_FIRST: i16 = 4;
const SKIPS_ASSIGNMENT: i16 = 9;

pub async fn handle(cx: &Cx<'_>, request: JoinGroupRequest<'_>) -> Reply {
    let version = cx.version();
    let protocol = |one: &crate::wire::messages::join_group::JoinGroupRequestProtocol<'_>| {
        (one.name.to_owned(), one.metadata.to_vec())
    };
    let join = Join {
        member: request.member_id.to_owned(),
        instance: request.group_instance_id.map(str::to_owned),
        client_id: cx.client.id(),
        client_host: cx.client_host(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: match version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        },
        protocol_type: request.protocol_type.to_owned(),
        protocols: request.protocols.iter().map(protocol).collect(),
        needs_id: version >= ID_FIRST && request.group_instance_id.is_none(),
        may_skip_assignment: version >= SKIPS_ASSIGNMENT,
        reason: request.reason.map(str::to_owned),
    };
    let joined = match cx.ask_group(request.group_id, Ask::Join(Box::new(join))).await {
        Ok(Answer::Joined(joined)) => *joined,
        Ok(_) => Joined::refused(UNEXPECTED, request.member_id),
        Err(error) => Joined::refused(error, request.member_id),
    };
    cx.reply::<JoinGroup>(&JoinGroupResponse {
        error_code: joined.error,
        generation_id: joined.generation,
        protocol_type: joined.protocol_type.as_deref(),
        protocol_name: joined.protocol_name.as_deref(),
        leader: &joined.leader,
        skip_assignment: joined.skip_assignment,
        member_id: &joined.member,
        members: joined
            .members
            .iter()
            .map(|member| JoinGroupResponseMember {
                member_id: &member.member,
                group_instance_id: member.instance.as_deref(),
                metadata: &member.metadata,
            })
            .collect(),
        ..Default::default()
    })
}
