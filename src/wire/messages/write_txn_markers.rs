//! WriteTxnMarkers: the coordinator of a transaction has its end written into the logs. Version 2 says by
//! which rules (KIP-1228).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::Refuse;

message! {
    api WriteTxnMarkers = 27, versions 1-2, flexible 1+;

    request WriteTxnMarkersRequest<'a> {
        markers: Vec<WritableTxnMarker<'a>>, 0+;
    }

    response WriteTxnMarkersResponse<'a> {
        markers: Vec<WritableTxnMarkerResult<'a>>, 0+;
    }

    struct WritableTxnMarker<'a> {
        producer_id: i64, 0+;
        producer_epoch: i16, 0+;
        transaction_result: bool, 0+;
        topics: Vec<WritableTxnMarkerTopic<'a>>, 0+;
        coordinator_epoch: i32, 0+;
        transaction_version: i8, 2+;
    }

    struct WritableTxnMarkerTopic<'a> {
        name: &'a str, 0+;
        partition_indexes: Vec<i32>, 0+;
    }

    struct WritableTxnMarkerResult<'a> {
        producer_id: i64, 0+;
        topics: Vec<WritableTxnMarkerTopicResult<'a>>, 0+;
    }

    struct WritableTxnMarkerTopicResult<'a> {
        name: &'a str, 0+;
        partitions: Vec<WritableTxnMarkerPartitionResult>, 0+;
    }

    struct WritableTxnMarkerPartitionResult {
        partition_index: i32, 0+;
        error_code: ErrorCode, 0+;
    }
}

impl<'a> Refuse<'a> for WriteTxnMarkers {
    fn refusal(
        request: &WriteTxnMarkersRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> WriteTxnMarkersResponse<'a> {
        let refuse_partition = |&index: &i32| WritableTxnMarkerPartitionResult {
            partition_index: index,
            error_code: error,
        };
        let refuse_topic = |topic: &WritableTxnMarkerTopic<'a>| WritableTxnMarkerTopicResult {
            name: topic.name,
            partitions: topic.partition_indexes.iter().map(refuse_partition).collect(),
        };
        let refuse_marker = |marker: &WritableTxnMarker<'a>| WritableTxnMarkerResult {
            producer_id: marker.producer_id,
            topics: marker.topics.iter().map(refuse_topic).collect(),
        };
        WriteTxnMarkersResponse { markers: request.markers.iter().map(refuse_marker).collect() }
    }
}
