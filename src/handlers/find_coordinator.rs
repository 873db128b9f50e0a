//! FindCoordinator: nobody here coordinates groups or transactions, and the answer says so. It is
//! served all the same because librdkafka takes a broker without it for one that cannot do LZ4.

use super::Cx;
use super::reply::Reply;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;
use crate::wire::messages::find_coordinator::{FindCoordinator, FindCoordinatorRequest};

pub async fn handle(cx: &Cx<'_>, request: FindCoordinatorRequest<'_>) -> Reply {
    let error = ErrorCode::COORDINATOR_NOT_AVAILABLE;
    cx.reply::<FindCoordinator>(&FindCoordinator::refusal(&request, cx.version(), error))
}
