//! DeleteTopics.

use super::{Refusal, repeated};
use crate::cluster::{ClusterImage, Command};
use crate::config::{BrokerConfig, BrokerSettings};
use crate::model::{ErrorCode, TopicId};

/// How a request names a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicRef {
    Name(String),
    Id(TopicId),
}

/// Decides on each topic; the answers stand in the same order.
pub fn delete_topics(
    image: &ClusterImage,
    settings: &BrokerSettings,
    requested: &[TopicRef],
) -> Vec<Result<Command, Refusal>> {
    let enabled = BrokerConfig::resolve(settings).delete_topic_enable;
    let find = |topic: &TopicRef| match topic {
        TopicRef::Name(name) => image.topic(name).map(|topic| topic.id),
        TopicRef::Id(id) => image.topic_by_id(*id).map(|topic| topic.id),
    };
    let found: Vec<Option<TopicId>> = requested.iter().map(find).collect();
    let (called_twice, found_twice) = (repeated(requested), repeated(&found));
    let decide = |(topic, found): (&TopicRef, &Option<TopicId>)| {
        let named = match topic {
            TopicRef::Name(name) => name.clone(),
            TopicRef::Id(id) => id.to_string(),
        };
        if called_twice.contains(topic) || found.is_some() && found_twice.contains(found) {
            let message = format!("the request names topic {named} more than once");
            return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
        }
        let Some(id) = *found else {
            let code = match topic {
                TopicRef::Name(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                TopicRef::Id(_) => ErrorCode::UNKNOWN_TOPIC_ID,
            };
            return Err(Refusal::new(code, format!("there is no topic {named}")));
        };
        if !enabled {
            let message = "topics cannot be deleted while delete.topic.enable is false";
            return Err(Refusal::new(ErrorCode::TOPIC_DELETION_DISABLED, message));
        }
        Ok(Command::DeleteTopic { id })
    };
    requested.iter().zip(&found).map(decide).collect()
}
