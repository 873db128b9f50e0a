//! ListGroups: the groups whose coordinators clients find behind this lane. Who wants all asks every
//! broker, as with Kafka.

use super::Cx;
use super::reply::Reply;
use crate::coordinator::group::{Answer, Ask, Listed};
use crate::model::error_code::ErrorCode;
use crate::wire::messages::list_groups::{
    ListGroups, ListGroupsRequest, ListGroupsResponse, ListedGroup,
};

pub async fn handle(cx: &Cx<'_>, request: ListGroupsRequest<'_>) -> Reply {
    let owned = |list: &[&str]| list.iter().map(|&one| one.to_owned()).collect();
    let ask =
        Ask::List { states: owned(&request.states_filter), types: owned(&request.types_filter) };
    let mut listed: Vec<Listed> = Vec::new();
    for answer in cx.ask_lane(ask).await {
        match answer {
            Ok(Answer::Listed(some)) => listed.extend(some),
            // The partition moves: another broker tells of its groups.
            Ok(_) | Err(ErrorCode::NOT_COORDINATOR) => {}
            Err(error_code) => {
                let response = ListGroupsResponse { error_code, ..Default::default() };
                return cx.reply::<ListGroups>(&response);
            }
        }
    }
    let groups = listed.iter().map(|one| ListedGroup {
        group_id: &one.group,
        protocol_type: &one.protocol_type,
        group_state: one.state,
        group_type: one.kind,
    });
    let response = ListGroupsResponse { groups: groups.collect(), ..Default::default() };
    cx.reply::<ListGroups>(&response)
}
