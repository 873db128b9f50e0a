//! ConsumerGroupHeartbeat: a member of a group of the new protocol joins, goes on, or leaves (KIP-848).

use super::Cx;
use super::groups::UNEXPECTED;
use super::reply::Reply;
use crate::coordinator::group::{Answer, Ask, Beat, Beaten};
use crate::model::error_code::ErrorCode;
use crate::wire::messages::consumer_group_heartbeat::{
    Assignment, ConsumerGroupHeartbeat, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, TopicPartitions,
};

/// Members choose their ids themselves from here on (KIP-1082).
const CHOOSES_ID: i16 = 1;

pub async fn handle(cx: &Cx<'_>, request: ConsumerGroupHeartbeatRequest<'_>) -> Reply {
    let beaten = match ask(cx, &request).await {
        Ok(beaten) => beaten,
        Err(error) => {
            Beaten { error, message: Some(error.message().to_owned()), ..Beaten::default() }
        }
    };
    let assignment = beaten.assignment.map(|assignment| Assignment {
        topic_partitions: assignment
            .into_iter()
            .map(|(topic_id, partitions)| TopicPartitions { topic_id, partitions })
            .collect(),
    });
    cx.reply::<ConsumerGroupHeartbeat>(&ConsumerGroupHeartbeatResponse {
        error_code: beaten.error,
        error_message: beaten.message.as_deref(),
        member_id: beaten.member.as_deref(),
        member_epoch: beaten.epoch,
        heartbeat_interval_ms: beaten.interval_ms,
        assignment,
        ..Default::default()
    })
}

async fn ask(
    cx: &Cx<'_>,
    request: &ConsumerGroupHeartbeatRequest<'_>,
) -> Result<Beaten, ErrorCode> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let beat = Beat {
        chooses_id: cx.version() >= CHOOSES_ID,
        member: request.member_id.to_owned(),
        epoch: request.member_epoch,
        instance: owned(request.instance_id),
        rack: owned(request.rack_id),
        client_id: cx.client.id(),
        client_host: cx.client_host(),
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        names: request
            .subscribed_topic_names
            .as_ref()
            .map(|names| names.iter().map(|&name| name.to_owned()).collect()),
        pattern: owned(request.subscribed_topic_regex),
        assignor: owned(request.server_assignor),
        owned: request.topic_partitions.as_ref().map(|topics| {
            topics.iter().map(|topic| (topic.topic_id, topic.partitions.clone())).collect()
        }),
    };
    match cx.ask_group(request.group_id, Ask::Beat(Box::new(beat))).await? {
        Answer::Beaten(beaten) => Ok(*beaten),
        _ => Err(UNEXPECTED),
    }
}
