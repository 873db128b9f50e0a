//! ConsumerGroupDescribe: groups of the new protocol, with what their members have and are to have (KIP-848).

use super::Cx;
use super::groups::{GROUP_OPERATIONS, UNEXPECTED};
use super::reply::Reply;
use crate::coordinator::group::{Answer, Ask, DescribedConsumer, DescribedPartitions};
use crate::model::error_code::ErrorCode;
use crate::wire::messages::consumer_group_describe::{
    Assignment, ConsumerGroupDescribe, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
    DescribedGroup, Member, TopicPartitions,
};

/// Which protocol a member speaks.
const CLASSIC: i8 = 0;
const CONSUMER: i8 = 1;

pub async fn handle(cx: &Cx<'_>, request: ConsumerGroupDescribeRequest<'_>) -> Reply {
    let refused = |error: ErrorCode| DescribedConsumer {
        error,
        message: Some(error.message().to_owned()),
        ..DescribedConsumer::default()
    };
    let mut described = Vec::with_capacity(request.group_ids.len());
    for group in &request.group_ids {
        let one = match group.is_empty() {
            true => DescribedConsumer {
                error: ErrorCode::INVALID_GROUP_ID,
                ..DescribedConsumer::default()
            },
            false => match cx.ask_group(group, Ask::DescribeConsumer).await {
                Ok(Answer::DescribedConsumer(described)) => *described,
                Ok(_) => refused(UNEXPECTED),
                Err(error) => refused(error),
            },
        };
        described.push((*group, one));
    }
    let groups = described.iter().map(|(group_id, one)| DescribedGroup {
        error_code: one.error,
        error_message: one.message.as_deref(),
        group_id,
        group_state: one.state,
        group_epoch: one.epoch,
        assignment_epoch: one.assignment_epoch,
        assignor_name: &one.assignor,
        members: one.members.iter().map(member).collect(),
        authorized_operations: match request.include_authorized_operations && one.error.is_none() {
            true => GROUP_OPERATIONS,
            false => i32::MIN,
        },
    });
    let response = ConsumerGroupDescribeResponse { groups: groups.collect(), ..Default::default() };
    cx.reply::<ConsumerGroupDescribe>(&response)
}

fn member(one: &crate::coordinator::group::DescribedConsumerMember) -> Member<'_> {
    Member {
        member_id: &one.member,
        instance_id: one.instance.as_deref(),
        rack_id: one.rack.as_deref(),
        member_epoch: one.epoch,
        client_id: &one.client_id,
        client_host: &one.client_host,
        subscribed_topic_names: one.names.iter().map(String::as_str).collect(),
        subscribed_topic_regex: Some(&one.pattern),
        assignment: assignment(&one.assignment),
        target_assignment: assignment(&one.target),
        member_type: if one.is_classic { CLASSIC } else { CONSUMER },
    }
}

fn assignment(partitions: &[DescribedPartitions]) -> Assignment<'_> {
    Assignment { topic_partitions: partitions.iter().map(topic).collect() }
}

fn topic(one: &DescribedPartitions) -> TopicPartitions<'_> {
    let DescribedPartitions { id, name, partitions } = one;
    TopicPartitions { topic_id: *id, topic_name: name, partitions: partitions.clone() }
}
