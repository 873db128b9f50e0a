//! Heartbeat: a member is there, and learns whether its group is still the same.

use super::Cx;
use super::groups::UNEXPECTED;
use super::reply::Reply;
use crate::coordinator::group::{Answer, Ask, Identity};
use crate::wire::messages::heartbeat::{Heartbeat, HeartbeatRequest, HeartbeatResponse};

pub async fn handle(cx: &Cx<'_>, request: HeartbeatRequest<'_>) -> Reply {
    let who = Identity {
        member: request.member_id.to_owned(),
        instance: request.group_instance_id.map(str::to_owned),
        generation: request.generation_id,
    };
    let error_code = match cx.ask_group(request.group_id, Ask::Heartbeat(who)).await {
        Ok(Answer::Code(code)) => code,
        Ok(_) => UNEXPECTED,
        Err(error) => error,
    };
    cx.reply::<Heartbeat>(&HeartbeatResponse { error_code, ..Default::default() })
}
