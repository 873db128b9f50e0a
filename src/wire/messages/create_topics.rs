//! CreateTopics. Version 4 takes -1 for the broker's default partitions and replicas (KIP-464),
//! version 5 answers with the configuration (KIP-525), version 7 with the topic id.

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::Refuse;

message! {
    api CreateTopics = 19, versions 2-7, flexible 5+;

    request CreateTopicsRequest<'a> {
        topics: Vec<CreatableTopic<'a>>, 0+;
        timeout_ms: i32, 0+, default 60_000;
        validate_only: bool, 1+;
    }

    response CreateTopicsResponse<'a> {
        throttle_time_ms: i32, 2+;
        topics: Vec<CreatableTopicResult<'a>>, 0+;
    }

    struct CreatableTopic<'a> {
        name: &'a str, 0+;
        num_partitions: i32, 0+;
        replication_factor: i16, 0+;
        assignments: Vec<CreatableReplicaAssignment>, 0+;
        configs: Vec<CreatableTopicConfig<'a>>, 0+;
    }

    struct CreatableReplicaAssignment {
        partition_index: i32, 0+;
        broker_ids: Vec<i32>, 0+;
    }

    struct CreatableTopicConfig<'a> {
        name: &'a str, 0+;
        value: Option<&'a str>, 0+, null 0+;
    }

    struct CreatableTopicResult<'a> {
        name: &'a str, 0+;
        topic_id: TopicId, 7+;
        error_code: ErrorCode, 0+;
        error_message: Option<&'a str>, 1+, null 0+;
        topic_config_error_code: ErrorCode, 5+, tag 0;
        num_partitions: i32, 5+, default -1;
        replication_factor: i16, 5+, default -1;
        configs: Option<Vec<CreatableTopicConfigs<'a>>>, 5+, null 5+;
    }

    struct CreatableTopicConfigs<'a> {
        name: &'a str, 5+;
        value: Option<&'a str>, 5+, null 5+;
        read_only: bool, 5+;
        config_source: i8, 5+, default -1;
        is_sensitive: bool, 5+;
    }
}

impl<'a> Refuse<'a> for CreateTopics {
    fn refusal(
        request: &CreateTopicsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> CreateTopicsResponse<'a> {
        let refuse_topic = |topic: &CreatableTopic<'a>| CreatableTopicResult {
            name: topic.name,
            error_code: error,
            error_message: Some(error.message()),
            configs: Some(Vec::new()),
            ..Default::default()
        };
        CreateTopicsResponse {
            topics: request.topics.iter().map(refuse_topic).collect(),
            ..Default::default()
        }
    }
}
