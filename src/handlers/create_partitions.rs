//! CreatePartitions: more partitions for a topic, never fewer (KIP-195).

use std::collections::BTreeSet;

use super::Cx;
use super::reply::Reply;
use crate::cluster::controller::MorePartitions;
use crate::model::ids::BrokerId;
use crate::shard::proposal::Proposal;
use crate::wire::messages::create_partitions::{
    CreatePartitions, CreatePartitionsRequest, CreatePartitionsResponse,
    CreatePartitionsTopicResult,
};

pub async fn handle(cx: &Cx<'_>, request: CreatePartitionsRequest<'_>) -> Reply {
    let topics = request.topics.iter().map(|topic| MorePartitions {
        topic: topic.name.to_owned(),
        count: topic.count,
        assignments: topic.assignments.as_ref().map(|assignments| {
            let brokers = assignments.iter().map(|one| one.broker_ids.iter());
            brokers.map(|ids| ids.map(|&id| BrokerId(id)).collect()).collect()
        }),
    });
    let proposal = Proposal::CreatePartitions {
        topics: topics.collect(),
        validate_only: request.validate_only,
    };
    let decision = cx.decide(proposal, request.topics.len()).await;
    // A topic that is named more than once is refused, and told so once.
    let mut seen = BTreeSet::new();
    let answers = request.topics.iter().zip(&decision);
    let answers = answers.filter(|(topic, _)| seen.insert(topic.name));
    let results = answers.map(|(topic, decided)| {
        let mut result = CreatePartitionsTopicResult { name: topic.name, ..Default::default() };
        if let Err(refusal) = decided {
            result.error_code = refusal.code;
            result.error_message = Some(&refusal.message);
        }
        result
    });
    let response = CreatePartitionsResponse { results: results.collect(), ..Default::default() };
    cx.reply::<CreatePartitions>(&response)
}
