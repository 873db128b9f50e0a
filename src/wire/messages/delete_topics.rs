//! DeleteTopics. Version 5 explains errors, version 6 names topics by name or by id (KIP-516).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::Refuse;

message! {
    api DeleteTopics = 20, versions 1-6, flexible 4+;

    request DeleteTopicsRequest<'a> {
        topics: Vec<DeleteTopicState<'a>>, 6+;
        topic_names: Vec<&'a str>, 0-5;
        timeout_ms: i32, 0+;
    }

    response DeleteTopicsResponse<'a> {
        throttle_time_ms: i32, 1+;
        responses: Vec<DeletableTopicResult<'a>>, 0+;
    }

    struct DeleteTopicState<'a> {
        name: Option<&'a str>, 6+, null 6+;
        topic_id: TopicId, 6+;
    }

    struct DeletableTopicResult<'a> {
        name: Option<&'a str>, 0+, null 6+;
        topic_id: TopicId, 6+;
        error_code: ErrorCode, 0+;
        error_message: Option<&'a str>, 5+, null 5+;
    }
}

impl<'a> DeleteTopicsRequest<'a> {
    /// The topics as version 6 names them, whichever version was read.
    pub fn named(&self) -> impl Iterator<Item = DeleteTopicState<'a>> {
        let by_name = self
            .topic_names
            .iter()
            .map(|name| DeleteTopicState { name: Some(name), topic_id: TopicId::NIL });
        self.topics.iter().cloned().chain(by_name)
    }
}

impl<'a> Refuse<'a> for DeleteTopics {
    fn refusal(
        request: &DeleteTopicsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> DeleteTopicsResponse<'a> {
        let refuse_topic = |topic: DeleteTopicState<'a>| DeletableTopicResult {
            name: topic.name,
            topic_id: topic.topic_id,
            error_code: error,
            error_message: Some(error.message()),
        };
        DeleteTopicsResponse {
            responses: request.named().map(refuse_topic).collect(),
            ..Default::default()
        }
    }
}
