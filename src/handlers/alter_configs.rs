//! AlterConfigs: replaces all that a resource sets.

use super::Cx;
use super::describe_configs::resource;
use super::reply::Reply;
use crate::cluster::controller::{Refusal, Replacement};
use crate::shard::proposal::Proposal;
use crate::wire::messages::alter_configs::{
    AlterConfigs, AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse,
};

pub async fn handle(cx: &Cx<'_>, request: AlterConfigsRequest<'_>) -> Reply {
    let mut found = Vec::new();
    let mut resources = Vec::new();
    for one in &request.resources {
        let target = resource(one.resource_type, one.resource_name);
        if let Ok(resource) = &target {
            resources.push(Replacement {
                resource: resource.clone(),
                configs: one
                    .configs
                    .iter()
                    .map(|config| (config.name.to_owned(), config.value.map(str::to_owned)))
                    .collect(),
            });
        }
        found.push(target.map(drop));
    }
    let count = resources.len();
    let proposal = Proposal::AlterConfigs { resources, validate_only: request.validate_only };
    let decision = cx.decide(proposal, count).await;
    let outcomes = merge(found, decision);
    let responses = request.resources.iter().zip(&outcomes).map(|(one, outcome)| {
        let mut response = AlterConfigsResourceResponse {
            resource_type: one.resource_type,
            resource_name: one.resource_name,
            ..Default::default()
        };
        if let Err(refusal) = outcome {
            response.error_code = refusal.code;
            response.error_message = Some(&refusal.message);
        }
        response
    });
    let response = AlterConfigsResponse { responses: responses.collect(), ..Default::default() };
    cx.reply::<AlterConfigs>(&response)
}

/// What was refused here, and the metadata core's answers in the places between.
pub fn merge<T>(
    found: Vec<Result<(), Refusal>>,
    decision: Vec<Result<T, Refusal>>,
) -> Vec<Result<(), Refusal>> {
    let mut decision = decision.into_iter();
    let answer = |found: Result<(), Refusal>| {
        found.and_then(|()| decision.next().map_or(Ok(()), |decided| decided.map(drop)))
    };
    found.into_iter().map(answer).collect()
}
