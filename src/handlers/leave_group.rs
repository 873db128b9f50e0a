//! LeaveGroup: a member goes; from version 3 on several, also by their instance ids (KIP-345).

use super::Cx;
use super::groups::UNEXPECTED;
use super::reply::Reply;
use crate::coordinator::group::{Answer, Ask, Leaver};
use crate::model::error_code::ErrorCode;
use crate::wire::messages::leave_group::{
    LeaveGroup, LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse,
};

const SEVERAL: i16 = 3;

pub async fn handle(cx: &Cx<'_>, request: LeaveGroupRequest<'_>) -> Reply {
    let several = cx.version() >= SEVERAL;
    let alone = [MemberIdentity { member_id: request.member_id, ..Default::default() }];
    let members = if several { request.members.as_slice() } else { &alone };
    let leaver = |one: &MemberIdentity<'_>| Leaver {
        member: one.member_id.to_owned(),
        instance: one.group_instance_id.map(str::to_owned),
        reason: one.reason.map(str::to_owned),
    };
    let leavers = members.iter().map(leaver).collect();
    let (error, codes) = match cx.ask_group(request.group_id, Ask::Leave(leavers)).await {
        Ok(Answer::Left(error, codes)) => (error, codes),
        Ok(_) => (UNEXPECTED, Vec::new()),
        Err(error) => (error, Vec::new()),
    };
    let mut response = LeaveGroupResponse { error_code: error, ..Default::default() };
    if several {
        let answers = members.iter().zip(codes).map(|(one, error_code)| MemberResponse {
            member_id: one.member_id,
            group_instance_id: one.group_instance_id,
            error_code,
        });
        response.members = answers.collect();
        return cx.reply::<LeaveGroup>(&response);
    }
    if error == ErrorCode::NONE {
        response.error_code = codes.first().copied().unwrap_or(ErrorCode::NONE);
    }
    cx.reply::<LeaveGroup>(&response)
}
