//! Metadata: the brokers, and where each partition of some topics lives. Version 0 has no null and
//! takes an empty list for all topics; version 10 knows topic ids (KIP-516), version 12 asks by them,
//! version 13 has an error of the whole answer (KIP-1102).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::Refuse;

/// Authorized operations when they were not asked for.
pub const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

message! {
    api Metadata = 3, versions 0-13, flexible 9+;

    request MetadataRequest<'a> {
        topics: Option<Vec<MetadataRequestTopic<'a>>>, 0+, null 1+;
        allow_auto_topic_creation: bool, 4+, default true;
        include_cluster_authorized_operations: bool, 8-10;
        include_topic_authorized_operations: bool, 8+;
    }

    response MetadataResponse<'a> {
        throttle_time_ms: i32, 3+;
        brokers: Vec<MetadataResponseBroker<'a>>, 0+;
        cluster_id: Option<&'a str>, 2+, null 2+;
        controller_id: i32, 1+, default -1;
        topics: Vec<MetadataResponseTopic<'a>>, 0+;
        cluster_authorized_operations: i32, 8-10, default OPERATIONS_NOT_ASKED;
        error_code: ErrorCode, 13+;
    }

    struct MetadataRequestTopic<'a> {
        topic_id: TopicId, 10+;
        name: Option<&'a str>, 0+, null 10+;
    }

    struct MetadataResponseBroker<'a> {
        node_id: i32, 0+;
        host: &'a str, 0+;
        port: i32, 0+;
        rack: Option<&'a str>, 1+, null 1+;
    }

    struct MetadataResponseTopic<'a> {
        error_code: ErrorCode, 0+;
        name: Option<&'a str>, 0+, null 12+;
        topic_id: TopicId, 10+;
        is_internal: bool, 1+;
        partitions: Vec<MetadataResponsePartition>, 0+;
        topic_authorized_operations: i32, 8+, default OPERATIONS_NOT_ASKED;
    }

    struct MetadataResponsePartition {
        error_code: ErrorCode, 0+;
        partition_index: i32, 0+;
        leader_id: i32, 0+;
        leader_epoch: i32, 7+, default -1;
        replica_nodes: Vec<i32>, 0+;
        isr_nodes: Vec<i32>, 0+;
        offline_replicas: Vec<i32>, 5+;
    }
}

impl<'a> Refuse<'a> for Metadata {
    fn refusal(
        request: &MetadataRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> MetadataResponse<'a> {
        let refuse_topic = |topic: &MetadataRequestTopic<'a>| MetadataResponseTopic {
            error_code: error,
            name: Some(topic.name.unwrap_or_default()),
            topic_id: topic.topic_id,
            ..Default::default()
        };
        MetadataResponse {
            topics: request.topics.iter().flatten().map(refuse_topic).collect(),
            error_code: error,
            ..Default::default()
        }
    }
}
