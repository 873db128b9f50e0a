//! DeleteTopics: by name, from version 6 on also by id (KIP-516).

use std::collections::BTreeMap;

use super::Cx;
use super::reply::Reply;
use crate::cluster::controller::{Refusal, TopicRef};
use crate::cluster::image::ClusterImage;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::shard::proposal::{Decided, Proposal};
use crate::wire::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopics, DeleteTopicsRequest, DeleteTopicsResponse,
};

/// Versions below this one know no TOPIC_DELETION_DISABLED.
const DELETION_DISABLED_SINCE: i16 = 3;

pub async fn handle(cx: &Cx<'_>, request: DeleteTopicsRequest<'_>) -> Reply {
    let image = cx.shard().image();
    let asked: Vec<DeleteTopicState<'_>> = request.named().collect();
    let found: Vec<Result<TopicRef, Refusal>> = asked.iter().map(reference).collect();
    let refs: Vec<TopicRef> = found.iter().flatten().cloned().collect();
    let count = refs.len();
    let decision = cx.decide(Proposal::DeleteTopics(refs), count).await;
    let mut decision = decision.into_iter();
    let outcomes = found.into_iter().map(|found| match found {
        Ok(_) => decision.next().unwrap_or(Ok(Decided::Done)).map(drop),
        Err(refusal) => Err(refusal),
    });
    let outcomes: Vec<Result<(), Refusal>> = outcomes.collect();
    let mut responses: Vec<DeletableTopicResult<'_>> = Vec::with_capacity(asked.len());
    let mut answered = BTreeMap::new();
    for (asked, outcome) in asked.iter().zip(&outcomes) {
        // A topic that is named more than once is told so once, by all that it was called.
        if let Some(target) = target(&image, asked) {
            if let Some(&at) = answered.get(&target) {
                let told: &mut DeletableTopicResult<'_> = &mut responses[at];
                told.name = told.name.or(asked.name);
                if told.topic_id.is_nil() {
                    told.topic_id = asked.topic_id;
                }
                continue;
            }
            answered.insert(target, responses.len());
        }
        responses.push(result(cx, &image, asked, outcome));
    }
    cx.reply::<DeleteTopics>(&DeleteTopicsResponse { responses, ..Default::default() })
}

fn reference(asked: &DeleteTopicState<'_>) -> Result<TopicRef, Refusal> {
    match (asked.name, asked.topic_id) {
        (Some(name), TopicId::NIL) => Ok(TopicRef::Name(name.to_owned())),
        (None, id) if !id.is_nil() => Ok(TopicRef::Id(id)),
        _ => {
            let message = "a topic is named by its name or by its id";
            Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
        }
    }
}

/// What tells topics apart: their ids, and what they were called where there is none. `None`: the
/// request does not say which topic it means.
fn target<'a>(
    image: &ClusterImage,
    asked: &DeleteTopicState<'a>,
) -> Option<(TopicId, Option<&'a str>)> {
    match (asked.name, asked.topic_id) {
        (Some(name), TopicId::NIL) => match image.topic(name) {
            Some(topic) => Some((topic.id, None)),
            None => Some((TopicId::NIL, Some(name))),
        },
        (None, id) if !id.is_nil() => Some((id, None)),
        _ => None,
    }
}

fn result<'a>(
    cx: &Cx<'_>,
    image: &'a ClusterImage,
    asked: &DeleteTopicState<'a>,
    outcome: &'a Result<(), Refusal>,
) -> DeletableTopicResult<'a> {
    let mut result =
        DeletableTopicResult { name: asked.name, topic_id: asked.topic_id, ..Default::default() };
    match outcome {
        // What was named one way is answered both ways.
        Ok(()) => {
            let topic = match asked.name {
                Some(name) => image.topic(name),
                None => image.topic_by_id(asked.topic_id),
            };
            if let Some(topic) = topic {
                result.name = Some(&topic.name);
                result.topic_id = topic.id;
            }
        }
        Err(refusal) => {
            result.error_code = match refusal.code {
                ErrorCode::TOPIC_DELETION_DISABLED if cx.version() < DELETION_DISABLED_SINCE => {
                    ErrorCode::INVALID_REQUEST
                }
                code => code,
            };
            result.error_message = Some(&refusal.message);
        }
    }
    result
}
