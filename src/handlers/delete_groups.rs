//! DeleteGroups: empty groups, with all that they have committed.

use super::Cx;
use super::groups::UNEXPECTED;
use super::reply::Reply;
use crate::coordinator::group::{Answer, Ask};
use crate::wire::messages::delete_groups::{
    DeletableGroupResult, DeleteGroups, DeleteGroupsRequest, DeleteGroupsResponse,
};

pub async fn handle(cx: &Cx<'_>, request: DeleteGroupsRequest<'_>) -> Reply {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for &group_id in &request.groups_names {
        let error_code = match cx.ask_group(group_id, Ask::Delete).await {
            Ok(Answer::Code(code)) => code,
            Ok(_) => UNEXPECTED,
            Err(error) => error,
        };
        results.push(DeletableGroupResult { group_id, error_code, ..Default::default() });
    }
    cx.reply::<DeleteGroups>(&DeleteGroupsResponse { results, ..Default::default() })
}
