//! WriteTxnMarkers: ends of transactions, written by whoever coordinates them; also the way in which an
//! operator ends a transaction that nobody coordinates any more (`ringmain txn abort`).

use super::Cx;
use super::reply::Reply;
use crate::coordinator::Writer;
use crate::model::error_code::ErrorCode;
use crate::model::ids::PartitionId;
use crate::shard::markers::MarkOrder;
use crate::wire::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult, WriteTxnMarkers, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

pub async fn handle(cx: &Cx<'_>, request: WriteTxnMarkersRequest<'_>) -> Reply {
    let mut markers = Vec::with_capacity(request.markers.len());
    for marker in &request.markers {
        markers.push(WritableTxnMarkerResult {
            producer_id: marker.producer_id,
            topics: write(cx, marker).await,
        });
    }
    cx.reply::<WriteTxnMarkers>(&WriteTxnMarkersResponse { markers })
}

async fn write<'a>(
    cx: &Cx<'_>,
    marker: &WritableTxnMarker<'a>,
) -> Vec<WritableTxnMarkerTopicResult<'a>> {
    let mut order = MarkOrder {
        writer: Writer { producer_id: marker.producer_id, epoch: marker.producer_epoch },
        commit: marker.transaction_result,
        coordinator_epoch: marker.coordinator_epoch,
        txn_version: i16::from(marker.transaction_version),
        places: Vec::new(),
    };
    let find = |name: &str, number| {
        let topic = cx.shard().topic(name)?;
        topic.partition(number).is_some().then(|| (topic.id, PartitionId(number)))
    };
    for topic in &marker.topics {
        let numbers = topic.partition_indexes.iter();
        order.places.extend(numbers.filter_map(|&number| find(topic.name, number)));
    }
    let mut codes = cx.shard().mark(&order).await.into_iter();
    let mut topics = Vec::with_capacity(marker.topics.len());
    for topic in &marker.topics {
        let partitions = topic.partition_indexes.iter().map(|&partition_index| {
            let known = find(topic.name, partition_index).is_some();
            let code = if known { codes.next() } else { None };
            WritableTxnMarkerPartitionResult {
                partition_index,
                error_code: match code {
                    None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    // What a coordinator understands (Kafka: handleWriteTxnMarkersRequest).
                    Some(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) => {
                        ErrorCode::NOT_LEADER_OR_FOLLOWER
                    }
                    Some(code) => code,
                },
            }
        });
        topics.push(WritableTxnMarkerTopicResult {
            name: topic.name,
            partitions: partitions.collect(),
        });
    }
    topics
}
