//! OffsetForLeaderEpoch: where a leader's epoch ends in the log, so that a reader can tell whether
//! its own log parts from ours (KIP-101, KIP-320).

use super::Cx;
use super::reply::Reply;
use super::topics::Queries;
use crate::model::ids::TopicId;
use crate::shard::query::{Answer, Ask, Told};
use crate::wire::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpoch, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};

pub async fn handle(cx: &Cx<'_>, request: OffsetForLeaderEpochRequest<'_>) -> Reply {
    let mut queries = Queries::default();
    for topic in &request.topics {
        for part in &topic.partitions {
            let ask = Ask::EpochEnd { epoch: part.leader_epoch };
            let epoch = part.current_leader_epoch;
            queries.add(cx, topic.topic, TopicId::NIL, part.partition, epoch, ask);
        }
    }
    let mut answers = queries.ask(cx).await.into_iter();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partitions = topic.partitions.iter().map(|part| {
            let Answer { error, told } = answers.next().unwrap_or_default();
            let mut out = EpochEndOffset {
                error_code: error,
                partition: part.partition,
                ..Default::default()
            };
            if let Told::EpochEnd { leader_epoch, end_offset } = told {
                out.leader_epoch = leader_epoch;
                out.end_offset = end_offset;
            }
            out
        });
        let partitions = partitions.collect();
        topics.push(OffsetForLeaderTopicResult { topic: topic.topic, partitions });
    }
    let response = OffsetForLeaderEpochResponse { topics, ..Default::default() };
    cx.reply::<OffsetForLeaderEpoch>(&response)
}
