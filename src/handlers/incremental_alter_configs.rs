//! IncrementalAlterConfigs: changes single settings of a resource (KIP-339).

use super::Cx;
use super::alter_configs::merge;
use super::describe_configs::resource;
use super::reply::Reply;
use crate::cluster::controller::{Edit, EditKind, Edits, Refusal};
use crate::model::error_code::ErrorCode;
use crate::shard::proposal::Proposal;
use crate::wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigs,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

pub async fn handle(cx: &Cx<'_>, request: IncrementalAlterConfigsRequest<'_>) -> Reply {
    let mut found = Vec::new();
    let mut resources = Vec::new();
    for one in &request.resources {
        match edits(one) {
            Ok(edits) => {
                resources.push(edits);
                found.push(Ok(()));
            }
            Err(refusal) => found.push(Err(refusal)),
        }
    }
    let count = resources.len();
    let proposal =
        Proposal::IncrementalAlterConfigs { resources, validate_only: request.validate_only };
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
    let response =
        IncrementalAlterConfigsResponse { responses: responses.collect(), ..Default::default() };
    cx.reply::<IncrementalAlterConfigs>(&response)
}

fn edits(request: &AlterConfigsResource<'_>) -> Result<Edits, Refusal> {
    let resource = resource(request.resource_type, request.resource_name)?;
    let mut edits = Vec::with_capacity(request.configs.len());
    for config in &request.configs {
        let kind = EditKind::from_code(config.config_operation).ok_or_else(|| {
            let message = format!("unknown operation {}", config.config_operation);
            Refusal::new(ErrorCode::INVALID_REQUEST, message)
        })?;
        let value = config.value.map(str::to_owned);
        edits.push(Edit { key: config.name.to_owned(), kind, value });
    }
    Ok(Edits { resource, edits })
}
