//! CreateTopics: asks the metadata core; answers when this host serves the topics. Also what a
//! Metadata request creates by itself.

use std::collections::BTreeSet;

use super::Cx;
use super::reply::Reply;
use crate::cluster::controller::{Assignment, NewTopic, Refusal};
use crate::config::describe::Described;
use crate::model::error_code::ErrorCode;
use crate::model::ids::{BrokerId, TopicId};
use crate::shard::proposal::{Decided, Proposal};
use crate::wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopics, CreateTopicsRequest,
    CreateTopicsResponse,
};

pub async fn handle(cx: &Cx<'_>, request: CreateTopicsRequest<'_>) -> Reply {
    let topics = request.topics.iter().map(new_topic).collect();
    let proposal = Proposal::CreateTopics { topics, validate_only: request.validate_only };
    let decision = cx.decide(proposal, request.topics.len()).await;
    let described: Vec<_> = decision.iter().map(|decided| describe(cx, decided)).collect();
    // A topic that is named more than once is refused, and told so once.
    let mut seen = BTreeSet::new();
    let answers = request.topics.iter().zip(&decision).zip(&described);
    let answers = answers.filter(|((topic, _), _)| seen.insert(topic.name));
    let topics = answers.map(|((topic, decided), configs)| {
        let mut result = CreatableTopicResult {
            name: topic.name,
            configs: Some(Vec::new()),
            ..Default::default()
        };
        match decided {
            Ok(Decided::Topic { id, partitions, replication_factor, .. }) => {
                // A topic that was only checked has no id.
                result.topic_id = if request.validate_only { TopicId::NIL } else { *id };
                result.num_partitions = *partitions;
                result.replication_factor = *replication_factor;
                result.configs = Some(configs.iter().map(config).collect());
            }
            Ok(_) => {}
            Err(Refusal { code, message }) => {
                result.error_code = *code;
                result.error_message = Some(message);
            }
        }
        result
    });
    let response = CreateTopicsResponse { topics: topics.collect(), ..Default::default() };
    cx.reply::<CreateTopics>(&response)
}

fn new_topic(topic: &CreatableTopic<'_>) -> NewTopic {
    let brokers = |ids: &[i32]| -> Assignment { ids.iter().map(|&id| BrokerId(id)).collect() };
    NewTopic {
        name: topic.name.to_owned(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic
            .assignments
            .iter()
            .map(|one| (one.partition_index, brokers(&one.broker_ids)))
            .collect(),
        configs: topic
            .configs
            .iter()
            .map(|config| (config.name.to_owned(), config.value.map(str::to_owned)))
            .collect(),
    }
}

fn describe(cx: &Cx<'_>, decided: &Result<Decided, Refusal>) -> Vec<Described> {
    match decided {
        Ok(Decided::Topic { configs, .. }) => cx.shard().settings().describe_topic(configs),
        _ => Vec::new(),
    }
}

fn config(described: &Described) -> CreatableTopicConfigs<'_> {
    CreatableTopicConfigs {
        name: described.name,
        value: described.value.as_deref(),
        read_only: described.read_only,
        config_source: described.source as i8,
        is_sensitive: false,
    }
}

impl Cx<'_> {
    /// Creates topics with the broker's defaults; what is refused stays unknown.
    pub(super) async fn create_automatically(&self, names: &[&str]) {
        let topics: Vec<_> = names.iter().map(|name| NewTopic::named(*name)).collect();
        let proposal = Proposal::CreateTopics { topics, validate_only: false };
        for (name, decided) in names.iter().zip(self.decide(proposal, names.len()).await) {
            match decided {
                Err(refusal) if refusal.code != ErrorCode::TOPIC_ALREADY_EXISTS => {
                    crate::notice!("topic {name} was not created: {refusal}");
                }
                _ => {}
            }
        }
    }

    /// The answer to each of `count` items: a refusal of the whole stands for each.
    pub(super) async fn decide(
        &self,
        proposal: Proposal,
        count: usize,
    ) -> Vec<Result<Decided, Refusal>> {
        let decision = self.shard().propose(proposal).await.0;
        if decision.len() == count {
            return decision;
        }
        let refusal = decision.into_iter().find_map(Result::err).unwrap_or_else(|| {
            Refusal::new(ErrorCode::UNKNOWN_SERVER_ERROR, "the decision does not fit the request")
        });
        vec![Err(refusal); count]
    }
}
