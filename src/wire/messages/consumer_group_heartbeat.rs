//! ConsumerGroupHeartbeat: everything between a member and a group of the new protocol, from joining to
//! leaving (KIP-848). Version 1 subscribes by a pattern.

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::Refuse;

message! {
    api ConsumerGroupHeartbeat = 68, versions 0-1, flexible 0+;

    request ConsumerGroupHeartbeatRequest<'a> {
        group_id: &'a str, 0+;
        member_id: &'a str, 0+;
        member_epoch: i32, 0+;
        instance_id: Option<&'a str>, 0+, null 0+;
        rack_id: Option<&'a str>, 0+, null 0+;
        rebalance_timeout_ms: i32, 0+, default -1;
        subscribed_topic_names: Option<Vec<&'a str>>, 0+, null 0+;
        subscribed_topic_regex: Option<&'a str>, 1+, null 1+;
        server_assignor: Option<&'a str>, 0+, null 0+;
        topic_partitions: Option<Vec<TopicPartitions>>, 0+, null 0+;
    }

    response ConsumerGroupHeartbeatResponse<'a> {
        throttle_time_ms: i32, 0+;
        error_code: ErrorCode, 0+;
        error_message: Option<&'a str>, 0+, null 0+;
        member_id: Option<&'a str>, 0+, null 0+;
        member_epoch: i32, 0+;
        heartbeat_interval_ms: i32, 0+;
        assignment: Option<Assignment>, 0+, null 0+;
    }

    struct TopicPartitions {
        topic_id: TopicId, 0+;
        partitions: Vec<i32>, 0+;
    }

    struct Assignment {
        topic_partitions: Vec<TopicPartitions>, 0+;
    }
}

impl<'a> Refuse<'a> for ConsumerGroupHeartbeat {
    fn refusal(
        _request: &ConsumerGroupHeartbeatRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> ConsumerGroupHeartbeatResponse<'a> {
        ConsumerGroupHeartbeatResponse {
            error_code: error,
            error_message: Some(error.message()),
            ..Default::default()
        }
    }
}
