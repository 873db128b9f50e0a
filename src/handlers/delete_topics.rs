//! DeleteTopics: by name, from version 6 on also by id (KIP-516).

use super::Cx;
use super::reply::Reply;
use crate::cluster::controller::TopicRef;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::shard::proposal::Proposal;
use crate::wire::messages::delete_topics::{
    DeletableTopicResult, DeleteTopics, DeleteTopicsRequest, DeleteTopicsResponse,
};

/// Versions below this one know no TOPIC_DELETION_DISABLED.
const DELETION_DISABLED_SINCE: i16 = 3;

pub async fn handle(cx: &Cx<'_>, request: DeleteTopicsRequest<'_>) -> Reply {
    let image = cx.shard().image();
    let by_name = request.topic_names.iter().map(|&name| (Some(name), TopicId::NIL));
    let by_state = request.topics.iter().map(|topic| (topic.name, topic.topic_id));
    let asked: Vec<(Option<&str>, TopicId)> = by_name.chain(by_state).collect();
    let refs = asked.iter().map(|&(name, id)| match name {
        Some(name) => TopicRef::Name(name.to_owned()),
        None => TopicRef::Id(id),
    });
    let refs: Vec<TopicRef> = refs.collect();
    let decision = cx.decide(Proposal::DeleteTopics(refs), asked.len()).await;
    let mut responses = Vec::with_capacity(asked.len());
    for (&(name, id), decided) in asked.iter().zip(&decision) {
        // What was named one way is answered both ways, as far as it was known.
        let known = match name {
            Some(name) => image.topic(name),
            None => image.topic_by_id(id),
        };
        let mut result = DeletableTopicResult {
            name: name.or(known.filter(|_| decided.is_ok()).map(|topic| &*topic.name)),
            topic_id: if id.is_nil() { known.map_or(id, |topic| topic.id) } else { id },
            ..Default::default()
        };
        if let Err(refusal) = decided {
            result.error_code = match refusal.code {
                ErrorCode::TOPIC_DELETION_DISABLED if cx.version() < DELETION_DISABLED_SINCE => {
                    ErrorCode::INVALID_REQUEST
                }
                code => code,
            };
            result.error_message = Some(&refusal.message);
        }
        responses.push(result);
    }
    cx.reply::<DeleteTopics>(&DeleteTopicsResponse { responses, ..Default::default() })
}
