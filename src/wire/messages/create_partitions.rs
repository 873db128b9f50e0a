//! CreatePartitions: raises the number of a topic's partitions (KIP-195).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api CreatePartitions = 37, versions 0-3, flexible 2+;

    request CreatePartitionsRequest<'a> {
        topics: Vec<CreatePartitionsTopic<'a>>, 0+;
        timeout_ms: i32, 0+;
        validate_only: bool, 0+;
    }

    response CreatePartitionsResponse<'a> {
        throttle_time_ms: i32, 0+;
        results: Vec<CreatePartitionsTopicResult<'a>>, 0+;
    }

    struct CreatePartitionsTopic<'a> {
        name: &'a str, 0+;
        count: i32, 0+;
        assignments: Option<Vec<CreatePartitionsAssignment>>, 0+, null 0+;
    }

    struct CreatePartitionsAssignment {
        broker_ids: Vec<i32>, 0+;
    }

    struct CreatePartitionsTopicResult<'a> {
        name: &'a str, 0+;
        error_code: ErrorCode, 0+;
        error_message: Option<&'a str>, 0+, null 0+;
    }
}

impl<'a> Refuse<'a> for CreatePartitions {
    fn refusal(
        request: &CreatePartitionsRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> CreatePartitionsResponse<'a> {
        let refuse_topic = |topic: &CreatePartitionsTopic<'a>| CreatePartitionsTopicResult {
            name: topic.name,
            error_code: error,
            error_message: Some(error.message()),
        };
        CreatePartitionsResponse {
            results: request.topics.iter().map(refuse_topic).collect(),
            ..Default::default()
        }
    }
}
