//! TxnOffsetCommit: how far a group has read, once the transaction commits. Fenced by the producer's
//! epoch and, where the client says who it is, by the group's generation (KIP-447).

use super::Cx;
use super::offset_commit::{check, fill};
use super::reply::Reply;
use super::vouching::{Client, Wish};
use crate::coordinator::Writer;
use crate::coordinator::group::{
    Answer, Ask, Commit, CommitPartition, CommitTopic, Identity, Request,
};
use crate::log::producers::Claim;
use crate::model::error_code::ErrorCode;
use crate::wire::messages::txn_offset_commit::{
    TxnOffsetCommit, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

/// Topics are named by id from here on (KIP-1319).
const BY_ID: i16 = 6;
/// Clients leave it to the broker to add the group to the transaction (KIP-890), and understand
/// TRANSACTION_ABORTABLE a version before.
const RELIES: i16 = 5;
const ABORTABLE: i16 = 4;
/// Clients know that a coordinator may be loading.
const LOADS: i16 = 2;
/// As Kafka's coordinators do: they write without sequences.
const NO_SEQUENCE: i32 = -1;

pub async fn handle(cx: &Cx<'_>, request: TxnOffsetCommitRequest<'_>) -> Reply {
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
        fill(&mut codes, commit(cx, &request, asked).await);
    }
    if cx.version() < LOADS {
        for code in codes.iter_mut().flatten() {
            if *code == ErrorCode::COORDINATOR_LOAD_IN_PROGRESS {
                *code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
            }
        }
    }
    if cx.version() < BY_ID {
        // Older clients do not know of it.
        for code in codes.iter_mut().flatten() {
            if *code == ErrorCode::STALE_MEMBER_EPOCH {
                *code = ErrorCode::ILLEGAL_GENERATION;
            }
        }
    }
    let topics = request.topics.iter().zip(codes).map(|(topic, codes)| {
        let partitions = topic.partitions.iter().zip(codes);
        TxnOffsetCommitResponseTopic {
            name: topic.name,
            topic_id: topic.topic_id,
            partitions: partitions
                .map(|(partition, error_code)| TxnOffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code,
                })
                .collect(),
        }
    });
    let response = TxnOffsetCommitResponse { topics: topics.collect(), ..Default::default() };
    cx.reply::<TxnOffsetCommit>(&response)
}

async fn commit(
    cx: &Cx<'_>,
    request: &TxnOffsetCommitRequest<'_>,
    topics: Vec<CommitTopic>,
) -> Result<Answer, ErrorCode> {
    let (producer_id, epoch) = (request.producer_id, request.producer_epoch);
    let client = match cx.version() {
        RELIES.. => Client::Relies,
        ABORTABLE.. => Client::Adds,
        _ => Client::Old,
    };
    let (name, partition) = cx.shard().offsets_of(request.group_id);
    let wish = Wish {
        topic: cx.shard().topic(name).ok_or(ErrorCode::NOT_COORDINATOR)?,
        partition,
        claim: Claim {
            producer_id,
            epoch,
            base_sequence: NO_SEQUENCE,
            last_sequence: NO_SEQUENCE,
            transactional: true,
        },
    };
    let leaves = cx.vouch(request.transactional_id, client, &[wish]).await;
    let proof = leaves.into_iter().next().unwrap_or(Err(ErrorCode::UNKNOWN_SERVER_ERROR))?;
    let writer = Writer { producer_id, epoch };
    let commit = Commit {
        who: Identity {
            member: request.member_id.to_owned(),
            instance: request.group_instance_id.map(str::to_owned),
            generation: request.generation_id_or_member_epoch,
        },
        knows_epochs: true,
        retention_ms: None,
        writer: Some(writer),
        topics,
    };
    let request = Request { group: request.group_id.to_owned(), ask: Ask::Commit(commit) };
    cx.shard().commit_in_transaction(request, writer, proof).await
}
