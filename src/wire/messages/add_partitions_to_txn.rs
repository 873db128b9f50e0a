//! AddPartitionsToTxn: partitions become part of a transaction. Clients send one transaction and speak up
//! to version 3; from version 4 brokers send several, or only ask whether the partitions are in it
//! (KIP-890).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api AddPartitionsToTxn = 24, versions 0-5, flexible 3+;

    request AddPartitionsToTxnRequest<'a> {
        transactions: Vec<AddPartitionsToTxnTransaction<'a>>, 4+;
        v3_and_below_transactional_id: &'a str, 0-3;
        v3_and_below_producer_id: i64, 0-3;
        v3_and_below_producer_epoch: i16, 0-3;
        v3_and_below_topics: Vec<AddPartitionsToTxnTopic<'a>>, 0-3;
    }

    response AddPartitionsToTxnResponse<'a> {
        throttle_time_ms: i32, 0+;
        error_code: ErrorCode, 4+;
        results_by_transaction: Vec<AddPartitionsToTxnResult<'a>>, 4+;
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult<'a>>, 0-3;
    }

    struct AddPartitionsToTxnTransaction<'a> {
        transactional_id: &'a str, 4+;
        producer_id: i64, 4+;
        producer_epoch: i16, 4+;
        verify_only: bool, 4+;
        topics: Vec<AddPartitionsToTxnTopic<'a>>, 4+;
    }

    struct AddPartitionsToTxnTopic<'a> {
        name: &'a str, 0+;
        partitions: Vec<i32>, 0+;
    }

    struct AddPartitionsToTxnResult<'a> {
        transactional_id: &'a str, 4+;
        topic_results: Vec<AddPartitionsToTxnTopicResult<'a>>, 4+;
    }

    struct AddPartitionsToTxnTopicResult<'a> {
        name: &'a str, 0+;
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult>, 0+;
    }

    struct AddPartitionsToTxnPartitionResult {
        partition_index: i32, 0+;
        partition_error_code: ErrorCode, 0+;
    }
}

impl<'a> Refuse<'a> for AddPartitionsToTxn {
    fn refusal(
        request: &AddPartitionsToTxnRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> AddPartitionsToTxnResponse<'a> {
        let refuse_partition = |&index: &i32| AddPartitionsToTxnPartitionResult {
            partition_index: index,
            partition_error_code: error,
        };
        let refuse_topic = |topic: &AddPartitionsToTxnTopic<'a>| AddPartitionsToTxnTopicResult {
            name: topic.name,
            results_by_partition: topic.partitions.iter().map(refuse_partition).collect(),
        };
        AddPartitionsToTxnResponse {
            error_code: error,
            results_by_topic_v3_and_below: request
                .v3_and_below_topics
                .iter()
                .map(refuse_topic)
                .collect(),
            ..Default::default()
        }
    }
}
