//! Fetch: record batches from partitions, for consumers and for followers. Version 13 names topics
//! by id (KIP-516), version 15 moves the follower's id into a tagged field (KIP-903), version 16 can
//! answer with the new leader's address (KIP-951).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::Refuse;
use crate::wire::value::Records;

message! {
    api Fetch = 1, versions 4-18, flexible 12+;

    request FetchRequest<'a> {
        cluster_id: Option<&'a str>, 12+, tag 0, null 12+;
        replica_id: i32, 0-14, default -1;
        replica_state: ReplicaState, 15+, tag 1;
        max_wait_ms: i32, 0+;
        min_bytes: i32, 0+;
        max_bytes: i32, 3+, default i32::MAX;
        isolation_level: i8, 4+;
        session_id: i32, 7+;
        session_epoch: i32, 7+, default -1;
        topics: Vec<FetchTopic<'a>>, 0+;
        forgotten_topics_data: Vec<ForgottenTopic<'a>>, 7+;
        rack_id: &'a str, 11+;
    }

    response FetchResponse<'a> {
        throttle_time_ms: i32, 1+;
        error_code: ErrorCode, 7+;
        session_id: i32, 7+;
        responses: Vec<FetchableTopicResponse<'a>>, 0+;
        node_endpoints: Vec<NodeEndpoint<'a>>, 16+, tag 0;
    }

    struct ReplicaState {
        replica_id: i32, 15+, default -1;
        replica_epoch: i64, 15+, default -1;
    }

    struct FetchTopic<'a> {
        topic: &'a str, 0-12;
        topic_id: TopicId, 13+;
        partitions: Vec<FetchPartition>, 0+;
    }

    struct FetchPartition {
        partition: i32, 0+;
        current_leader_epoch: i32, 9+, default -1;
        fetch_offset: i64, 0+;
        last_fetched_epoch: i32, 12+, default -1;
        log_start_offset: i64, 5+, default -1;
        partition_max_bytes: i32, 0+;
        replica_directory_id: TopicId, 17+, tag 0;
        high_watermark: i64, 18+, tag 1, default i64::MAX;
    }

    struct ForgottenTopic<'a> {
        topic: &'a str, 7-12;
        topic_id: TopicId, 13+;
        partitions: Vec<i32>, 7+;
    }

    struct FetchableTopicResponse<'a> {
        topic: &'a str, 0-12;
        topic_id: TopicId, 13+;
        partitions: Vec<PartitionData<'a>>, 0+;
    }

    struct PartitionData<'a> {
        partition_index: i32, 0+;
        error_code: ErrorCode, 0+;
        high_watermark: i64, 0+;
        last_stable_offset: i64, 4+, default -1;
        log_start_offset: i64, 5+, default -1;
        diverging_epoch: EpochEndOffset, 12+, tag 0;
        current_leader: LeaderIdAndEpoch, 12+, tag 1;
        snapshot_id: SnapshotId, 12+, tag 2;
        aborted_transactions: Option<Vec<AbortedTransaction>>, 4+, null 4+;
        preferred_read_replica: i32, 11+, default -1;
        records: Records<'a>, 0+, null 0+;
    }

    struct EpochEndOffset {
        epoch: i32, 12+, default -1;
        end_offset: i64, 12+, default -1;
    }

    struct LeaderIdAndEpoch {
        leader_id: i32, 12+, default -1;
        leader_epoch: i32, 12+, default -1;
    }

    struct SnapshotId {
        end_offset: i64, 0+, default -1;
        epoch: i32, 0+, default -1;
    }

    struct AbortedTransaction {
        producer_id: i64, 4+;
        first_offset: i64, 4+;
    }

    struct NodeEndpoint<'a> {
        node_id: i32, 16+;
        host: &'a str, 16+;
        port: i32, 16+;
        rack: Option<&'a str>, 16+, null 16+;
    }
}

impl<'a> Refuse<'a> for Fetch {
    /// Clients of version 13 and later read the error of the whole answer; older ones look at the
    /// partitions, and those before version 7 can look nowhere else.
    fn refusal(request: &FetchRequest<'a>, version: i16, error: ErrorCode) -> FetchResponse<'a> {
        let refuse_partition = |partition: &FetchPartition| PartitionData {
            partition_index: partition.partition,
            error_code: error,
            high_watermark: -1,
            aborted_transactions: Some(Vec::new()),
            records: Records::Bytes(&[]),
            ..Default::default()
        };
        let refuse_topic = |topic: &FetchTopic<'a>| FetchableTopicResponse {
            topic: topic.topic,
            topic_id: topic.topic_id,
            partitions: topic.partitions.iter().map(refuse_partition).collect(),
        };
        let topics = if version < 13 { request.topics.as_slice() } else { &[] };
        FetchResponse {
            error_code: error,
            session_id: request.session_id,
            responses: topics.iter().map(refuse_topic).collect(),
            ..Default::default()
        }
    }
}
