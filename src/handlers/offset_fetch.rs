//! OffsetFetch: what groups have committed; from version 8 on for several groups at once (KIP-709).

use super::Cx;
use super::groups::UNEXPECTED;
use super::reply::Reply;
use crate::coordinator::group::{Answer, Ask, Fetch, FetchedOffset, FetchedTopic};
use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::messages::Refuse;
use crate::wire::messages::offset_fetch::{
    OffsetFetch, OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

const SEVERAL: i16 = 8;
/// Topics are named by id from here on (KIP-848).
const BY_ID: i16 = 10;

pub async fn handle(cx: &Cx<'_>, request: OffsetFetchRequest<'_>) -> Reply {
    if cx.version() >= SEVERAL {
        return several(cx, request).await;
    }
    let topics = request.topics.as_ref().map(|topics| {
        let topic = |topic: &crate::wire::messages::offset_fetch::OffsetFetchRequestTopic<'_>| {
            (topic.name.to_owned(), topic.partition_indexes.clone())
        };
        topics.iter().map(topic).collect()
    });
    let fetch = Fetch { topics, who: None, require_stable: request.require_stable };
    let fetched = match fetch_of(cx, request.group_id, fetch).await {
        Ok(fetched) => fetched,
        Err(error) => {
            let refusal = OffsetFetch::refusal(&request, cx.version(), error);
            return cx.reply::<OffsetFetch>(&refusal);
        }
    };
    let topics = fetched.iter().map(|topic| OffsetFetchResponseTopic {
        name: &topic.name,
        partitions: topic
            .partitions
            .iter()
            .map(|one| OffsetFetchResponsePartition {
                partition_index: one.partition,
                committed_offset: one.offset,
                committed_leader_epoch: one.leader_epoch,
                metadata: Some(&one.metadata),
                error_code: one.error,
            })
            .collect(),
    });
    let response = OffsetFetchResponse { topics: topics.collect(), ..Default::default() };
    cx.reply::<OffsetFetch>(&response)
}

async fn fetch_of(cx: &Cx<'_>, group: &str, fetch: Fetch) -> Result<Vec<FetchedTopic>, ErrorCode> {
    match cx.ask_group(group, Ask::Fetch(fetch)).await? {
        Answer::Fetched(topics) => Ok(topics),
        Answer::Refused(error) => Err(error),
        _ => Err(UNEXPECTED),
    }
}

/// A topic of an answer: what the coordinator said, or why it was not asked.
struct Found {
    name: String,
    id: TopicId,
    partitions: Vec<FetchedOffset>,
}

async fn several(cx: &Cx<'_>, request: OffsetFetchRequest<'_>) -> Reply {
    let mut answers: Vec<Result<Vec<Found>, ErrorCode>> = Vec::with_capacity(request.groups.len());
    for group in &request.groups {
        answers.push(one_group(cx, group, request.require_stable).await);
    }
    let groups = request.groups.iter().zip(&answers).map(|(group, answer)| {
        let (error_code, topics) = match answer {
            Ok(topics) => (ErrorCode::NONE, topics.as_slice()),
            Err(error) => (*error, &[][..]),
        };
        OffsetFetchResponseGroup {
            group_id: group.group_id,
            topics: topics.iter().map(describe).collect(),
            error_code,
        }
    });
    let response = OffsetFetchResponse { groups: groups.collect(), ..Default::default() };
    cx.reply::<OffsetFetch>(&response)
}

fn describe(topic: &Found) -> OffsetFetchResponseTopics<'_> {
    OffsetFetchResponseTopics {
        name: &topic.name,
        topic_id: topic.id,
        partitions: topic.partitions.iter().map(describe_one).collect(),
    }
}

fn describe_one(one: &FetchedOffset) -> OffsetFetchResponsePartitions<'_> {
    OffsetFetchResponsePartitions {
        partition_index: one.partition,
        committed_offset: one.offset,
        committed_leader_epoch: one.leader_epoch,
        metadata: Some(&one.metadata),
        error_code: one.error,
    }
}

async fn one_group(
    cx: &Cx<'_>,
    group: &OffsetFetchRequestGroup<'_>,
    require_stable: bool,
) -> Result<Vec<Found>, ErrorCode> {
    let by_id = cx.version() >= BY_ID;
    let who = match (group.member_id, group.member_epoch) {
        (None, ..0) => None,
        (member, epoch) => Some((member.unwrap_or_default().to_owned(), epoch)),
    };
    let Some(topics) = &group.topics else {
        let fetch = Fetch { topics: None, who, require_stable };
        let fetched = fetch_of(cx, group.group_id, fetch).await?;
        // A topic that is gone has no id by which it could be named.
        let found = fetched.into_iter().filter_map(|FetchedTopic { name, partitions }| {
            let id = cx.shard().topic(&name).map(|place| place.id);
            let id = if by_id { id? } else { TopicId::NIL };
            Some(Found { name, id, partitions })
        });
        return Ok(found.collect());
    };
    let mut asked = Vec::new();
    let mut known = Vec::with_capacity(topics.len());
    for topic in topics {
        let name = match by_id {
            true => cx.shard().topic_by_id(topic.topic_id).map(|place| place.name.to_string()),
            false => Some(topic.name.to_owned()),
        };
        known.push(name.is_some());
        asked.extend(name.map(|name| (name, topic.partition_indexes.clone())));
    }
    let fetch = Fetch { topics: Some(asked), who, require_stable };
    let mut fetched = fetch_of(cx, group.group_id, fetch).await?.into_iter();
    let found = topics.iter().zip(known).map(|(topic, known)| {
        let fetched = if known { fetched.next() } else { None };
        let unknown = |&partition: &i32| FetchedOffset {
            partition,
            error: ErrorCode::UNKNOWN_TOPIC_ID,
            offset: -1,
            leader_epoch: -1,
            metadata: String::new(),
        };
        let partitions = match fetched {
            Some(fetched) => fetched.partitions,
            None => topic.partition_indexes.iter().map(unknown).collect(),
        };
        Found { name: topic.name.to_owned(), id: topic.topic_id, partitions }
    });
    Ok(found.collect())
}
