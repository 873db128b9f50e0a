//! OffsetCommit: how far a group has read. Answered when it is as safe as the level of the topic
//! that keeps it says.

use super::Cx;
use super::groups::UNEXPECTED;
use super::reply::Reply;
use super::topics;
use crate::coordinator::group::{Answer, Ask, Commit, CommitPartition, CommitTopic, Identity};
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::offset_commit::{
    OffsetCommit, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};

/// Topics are named by id from here on (KIP-848).
const BY_ID: i16 = 10;
/// Before, a group that does not exist has no generation that could be the right one.
const TELLS_MISSING: i16 = 9;
/// Clients know of members' epochs (KIP-848).
const KNOWS_EPOCHS: i16 = 9;

pub async fn handle(cx: &Cx<'_>, request: OffsetCommitRequest<'_>) -> Reply {
    // What each partition is refused for before the coordinator is asked.
    let mut codes: Vec<Vec<ErrorCode>> = Vec::with_capacity(request.topics.len());
    let mut asked = Vec::new();
    for topic in &request.topics {
        let wanted = topic.partitions.iter().map(|one| {
            let (offset, epoch) = (one.committed_offset, one.committed_leader_epoch);
            CommitPartition::new(one.partition_index, offset, epoch, one.committed_metadata)
        });
        let by_id = cx.version() >= BY_ID;
        let (known, of_topic) = check(cx, (topic.name, topic.topic_id), by_id, wanted);
        asked.extend(known);
        codes.push(of_topic);
    }
    if asked.iter().any(|topic| !topic.partitions.is_empty()) {
        let commit = Commit {
            who: Identity {
                member: request.member_id.to_owned(),
                instance: request.group_instance_id.map(str::to_owned),
                generation: request.generation_id_or_member_epoch,
            },
            knows_epochs: cx.version() >= KNOWS_EPOCHS,
            retention_ms: Some(request.retention_time_ms).filter(|&ms| ms >= 0),
            writer: None,
            topics: asked,
        };
        let told = cx.ask_group(request.group_id, Ask::Commit(commit)).await;
        fill(&mut codes, told);
        if cx.version() < TELLS_MISSING {
            for code in codes.iter_mut().flatten() {
                if *code == ErrorCode::GROUP_ID_NOT_FOUND {
                    *code = ErrorCode::ILLEGAL_GENERATION;
                }
            }
        }
    }
    let topics = request.topics.iter().zip(codes).map(|(topic, codes)| OffsetCommitResponseTopic {
        name: topic.name,
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .zip(codes)
            .map(|(partition, error_code)| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code,
            })
            .collect(),
    });
    let response = OffsetCommitResponse { topics: topics.collect(), ..Default::default() };
    cx.reply::<OffsetCommit>(&response)
}

/// The part of a topic that exists, and the codes of all its partitions.
pub(super) fn check(
    cx: &Cx<'_>,
    (name, id): (&str, TopicId),
    by_id: bool,
    wanted: impl ExactSizeIterator<Item = CommitPartition>,
) -> (Option<CommitTopic>, Vec<ErrorCode>) {
    let place = match topics::find(cx.desk, name, id, by_id) {
        Ok(place) => place,
        Err(error) => return (None, vec![error; wanted.len()]),
    };
    let mut known =
        CommitTopic { name: place.name.to_string(), id: place.id, ..Default::default() };
    let mut codes = Vec::with_capacity(wanted.len());
    for one in wanted {
        if place.partition(one.partition).is_none() {
            codes.push(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            continue;
        }
        codes.push(ErrorCode::NONE);
        known.partitions.push(one);
    }
    (Some(known), codes)
}

/// Puts the coordinator's codes where nothing was refused before.
pub(super) fn fill(codes: &mut [Vec<ErrorCode>], told: Result<Answer, ErrorCode>) {
    let (told, other) = match told {
        Ok(Answer::Committed(told)) => (told, UNEXPECTED),
        Ok(_) => (Vec::new(), UNEXPECTED),
        Err(error) => (Vec::new(), error),
    };
    let mut told = told.into_iter().flatten();
    for code in codes.iter_mut().flatten().filter(|code| **code == ErrorCode::NONE) {
        *code = told.next().unwrap_or(other);
    }
}
