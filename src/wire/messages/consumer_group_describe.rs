//! ConsumerGroupDescribe: groups of the new protocol with their members (KIP-848). Version 1 tells which
//! protocol a member speaks (KIP-1099).

use crate::message;
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::Refuse;

message! {
    api ConsumerGroupDescribe = 69, versions 0-1, flexible 0+;

    request ConsumerGroupDescribeRequest<'a> {
        group_ids: Vec<&'a str>, 0+;
        include_authorized_operations: bool, 0+;
    }

    response ConsumerGroupDescribeResponse<'a> {
        throttle_time_ms: i32, 0+;
        groups: Vec<DescribedGroup<'a>>, 0+;
    }

    struct DescribedGroup<'a> {
        error_code: ErrorCode, 0+;
        error_message: Option<&'a str>, 0+, null 0+;
        group_id: &'a str, 0+;
        group_state: &'a str, 0+;
        group_epoch: i32, 0+;
        assignment_epoch: i32, 0+;
        assignor_name: &'a str, 0+;
        members: Vec<Member<'a>>, 0+;
        authorized_operations: i32, 0+, default i32::MIN;
    }

    struct Member<'a> {
        member_id: &'a str, 0+;
        instance_id: Option<&'a str>, 0+, null 0+;
        rack_id: Option<&'a str>, 0+, null 0+;
        member_epoch: i32, 0+;
        client_id: &'a str, 0+;
        client_host: &'a str, 0+;
        subscribed_topic_names: Vec<&'a str>, 0+;
        subscribed_topic_regex: Option<&'a str>, 0+, null 0+;
        assignment: Assignment<'a>, 0+;
        target_assignment: Assignment<'a>, 0+;
        member_type: i8, 1+, default -1;
    }

    struct Assignment<'a> {
        topic_partitions: Vec<TopicPartitions<'a>>, 0+;
    }

    struct TopicPartitions<'a> {
        topic_id: TopicId, 0+;
        topic_name: &'a str, 0+;
        partitions: Vec<i32>, 0+;
    }
}

impl<'a> Refuse<'a> for ConsumerGroupDescribe {
    fn refusal(
        request: &ConsumerGroupDescribeRequest<'a>,
        _version: i16,
        error: ErrorCode,
    ) -> ConsumerGroupDescribeResponse<'a> {
        let refuse = |&group_id: &&'a str| DescribedGroup {
            group_id,
            error_code: error,
            error_message: Some(error.message()),
            ..Default::default()
        };
        ConsumerGroupDescribeResponse {
            groups: request.group_ids.iter().map(refuse).collect(),
            ..Default::default()
        }
    }
}
