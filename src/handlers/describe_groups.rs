//! DescribeGroups: groups of the classic protocol, with their members.

use super::Cx;
use super::groups::{GROUP_OPERATIONS, UNEXPECTED};
use super::reply::Reply;
use crate::coordinator::group::{Answer, Ask, Described};
use crate::model::error_code::ErrorCode;
use crate::wire::messages::describe_groups::{
    DescribeGroups, DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup,
    DescribedGroupMember,
};

/// Before, a group that does not exist is just dead (KIP-1043).
const TELLS_MISSING: i16 = 6;

pub async fn handle(cx: &Cx<'_>, request: DescribeGroupsRequest<'_>) -> Reply {
    let mut described = Vec::with_capacity(request.groups.len());
    for group in &request.groups {
        let mut one = match cx.ask_group(group, Ask::Describe).await {
            Ok(Answer::Described(described)) => *described,
            Ok(_) => Described { error: UNEXPECTED, ..Default::default() },
            Err(error) => Described { error, ..Default::default() },
        };
        let is_missing = one.error == ErrorCode::GROUP_ID_NOT_FOUND;
        if is_missing && cx.version() < TELLS_MISSING {
            one.error = ErrorCode::NONE;
        }
        described.push((*group, one));
    }
    let groups = described.iter().map(|(group_id, one)| DescribedGroup {
        error_code: one.error,
        error_message: one.message.as_deref(),
        group_id,
        group_state: one.state,
        protocol_type: &one.protocol_type,
        protocol_data: &one.protocol,
        members: one
            .members
            .iter()
            .map(|member| DescribedGroupMember {
                member_id: &member.member,
                group_instance_id: member.instance.as_deref(),
                client_id: &member.client_id,
                client_host: &member.client_host,
                member_metadata: &member.metadata,
                member_assignment: &member.assignment,
            })
            .collect(),
        authorized_operations: match request.include_authorized_operations && one.error.is_none() {
            true => GROUP_OPERATIONS,
            false => i32::MIN,
        },
    });
    let response = DescribeGroupsResponse { groups: groups.collect(), ..Default::default() };
    cx.reply::<DescribeGroups>(&response)
}
