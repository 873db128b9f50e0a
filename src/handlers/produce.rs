//! Produce: record sets to the cores that own their partitions, acknowledged when the topic's
//! durability level is met.
//!
//! Nothing here waits: every append takes its offset before the next frame is looked at, so the
//! order of a connection is the order of the log. The answer is written when the last partition of
//! the request is acknowledged. A large record set of one partition at home here is received in
//! place: [`place`] says where, before the frame is complete.

use std::rc::Rc;

use super::appending::{Appending, TopicName};
use super::cx::{Client, Cx, Desk};
use super::malformed;
use super::reply::Ticket;
use super::topics;
use crate::base::buf::Buf;
use crate::log::Records;
use crate::model::error_code::ErrorCode;
use crate::model::ids::{PartitionId, TopicId};
use crate::shard::Counters;
use crate::shard::append_group::{AppendGroup, AppendResult, Hold};
use crate::shard::message::{AckWait, RemoteRecords};
use crate::shard::placement::TopicPlace;
use crate::wire::batch::BatchHeader;
use crate::wire::compression::Codec;
use crate::wire::frame::{RequestHeader, RequestKind};
use crate::wire::message::Api;
use crate::wire::messages::produce::{Produce, ProduceHead, ProduceParts};
use crate::wire::primitives::Reader;

/// Topics are named by id from this version on.
const BY_ID: i16 = 13;
/// Producers may send zstd from this version on (KIP-110).
const ZSTD: i16 = 7;
/// Record sets from this size on are received in place.
const PLACED_MIN: usize = 24 << 10;

/// A large record set on its way into an aligned buffer.
pub struct Place {
    /// Its first byte within the frame.
    pub records_at: usize,
    pub records_len: usize,
    /// Where it must begin in the buffer to be taken over by the log.
    pub start: usize,
}

/// The same, arrived.
pub struct Placed {
    pub buf: Buf,
    pub start: usize,
}

/// Looks at the beginning of a large frame: `Some` when it is a produce request whose one record
/// set the log of this core would take over as it lies.
pub fn place(desk: &Desk, frame: &[u8], frame_len: usize) -> Option<Place> {
    let kind = RequestKind::peek(frame).ok()?;
    if kind.api_key != Produce::KEY {
        return None;
    }
    let mut reader = Reader::new(frame);
    RequestHeader::decode(&mut reader).ok()?;
    let body_at = reader.position();
    let head = ProduceHead::peek(&frame[body_at..], frame_len - body_at, kind.version).ok()??;
    let topic = topics::find(desk, head.topic, head.topic_id, kind.version >= BY_ID).ok()?;
    let partition = topic.partition(head.partition)?.here.as_ref()?;
    let records_len = head.records.len();
    let wanted = (PLACED_MIN..=partition.log().batch_bytes_max()).contains(&records_len);
    wanted.then(|| Place {
        records_at: body_at + head.records.start,
        records_len,
        start: partition.log().adoption_start(),
    })
}

/// A whole request.
pub fn handle(cx: &Cx<'_>, body: &[u8], ticket: Ticket) -> Result<(), String> {
    let version = cx.version();
    let fail = |error| malformed("Produce", version, error);
    let parts = ProduceParts::new(body, version).map_err(fail)?;
    // The request is looked through before anything of it is done.
    let mut refused = None;
    for part in parts.clone() {
        let records = part.map_err(fail)?.records.map_or(&[][..], |range| &body[range]);
        refused = refused.or(unauthorised(parts.transactional_id, records));
    }
    let mut run = Run::new(cx, parts.acks, refused, &ticket);
    for part in parts {
        let part = part.map_err(fail)?;
        let records = part.records.map_or(&[][..], |range| &body[range]);
        run.append(part.topic, part.topic_id, part.partition, Records::Copy(records));
    }
    run.finish(ticket)
}

/// A request whose one record set was received apart: `body` holds what stands before it.
pub fn handle_placed(
    cx: &Cx<'_>,
    body: &[u8],
    body_len: usize,
    placed: Placed,
    ticket: Ticket,
) -> Result<(), String> {
    let version = cx.version();
    let head = ProduceHead::peek(body, body_len, version)
        .map_err(|error| malformed("Produce", version, error))?
        .ok_or("a produce request changed its shape while it arrived")?;
    let Placed { buf, start } = placed;
    let refused = unauthorised(head.transactional_id, &buf[start..]);
    let mut run = Run::new(cx, head.acks, refused, &ticket);
    run.append(head.topic, head.topic_id, head.partition, Records::Adopt { buf, start });
    run.finish(ticket)
}

/// One request being carried out.
struct Run<'c> {
    cx: &'c Cx<'c>,
    /// `None`: the request asks for acknowledgements that do not exist.
    wait: Option<AckWait>,
    /// The answer to every part of a request that may not be carried out.
    refused: Option<ErrorCode>,
    group: Rc<AppendGroup>,
    /// Keeps the group open until every part is in: a part may be settled at once.
    hold: Hold,
    parts: Vec<(TopicName, PartitionId)>,
    /// For each other core: its records, and their places in the group.
    remote: Vec<(usize, Vec<RemoteRecords>, Vec<usize>)>,
}

impl<'c> Run<'c> {
    fn new(cx: &'c Cx<'c>, acks: i16, refused: Option<ErrorCode>, ticket: &Ticket) -> Run<'c> {
        let wait = match acks {
            0 => Some(AckWait::Nothing),
            1 => Some(AckWait::Written),
            -1 => Some(AckWait::Level),
            _ => None,
        };
        let group = AppendGroup::new(ticket.signal());
        let hold = group.hold();
        let parts = Vec::with_capacity(1);
        Run { cx, wait, refused, group, hold, parts, remote: Vec::new() }
    }

    fn append(&mut self, topic: &str, id: TopicId, partition: i32, records: Records<'_>) {
        let index = self.group.add();
        let by_id = self.cx.version() >= BY_ID;
        let found = match self.refused {
            Some(error) => Err(error),
            None => topics::find(self.cx.desk, topic, id, by_id),
        };
        let topic = match found {
            Ok(topic) => topic,
            Err(error) => {
                let unknown = TopicName::Unknown(topic.into(), id);
                self.parts.push((unknown, PartitionId(partition)));
                self.group.settle(index, AppendResult::failed(error));
                return;
            }
        };
        self.parts.push((TopicName::Known(topic.clone()), PartitionId(partition)));
        if let Err(error) = self.route(&topic, partition, records, index) {
            self.group.settle(index, AppendResult::failed(error));
        }
    }

    fn route(
        &mut self,
        topic: &TopicPlace,
        partition: i32,
        records: Records<'_>,
        index: usize,
    ) -> Result<(), ErrorCode> {
        let wait = self.wait.ok_or(ErrorCode::INVALID_REQUIRED_ACKS)?;
        let place = topic.partition(partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if topic.internal {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
        }
        if is_transactional(records.bytes()) {
            // No transaction is open: there is no coordinator that could have opened it.
            return Err(ErrorCode::INVALID_TXN_STATE);
        }
        if wait == AckWait::Level && topic.insync_min > 1 {
            return Err(ErrorCode::NOT_ENOUGH_REPLICAS);
        }
        if self.cx.version() < ZSTD && is_zstd(records.bytes()) {
            return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
        }
        let shard = self.cx.shard();
        if place.core == shard.core() {
            let here = place.here.as_ref().ok_or(ErrorCode::KAFKA_STORAGE_ERROR)?;
            Counters::add(&shard.counters.direct, 1);
            here.append(records, wait, &self.group, index);
            return Ok(());
        }
        let records = match records {
            Records::Copy(bytes) => Buf::copy_of(bytes),
            Records::Adopt { buf, start } => Buf::copy_of(&buf[start..]),
        };
        let item = RemoteRecords { topic: topic.id, partition: PartitionId(partition), records };
        match self.remote.iter_mut().find(|(core, ..)| *core == place.core) {
            Some((_, items, indices)) => {
                items.push(item);
                indices.push(index);
            }
            None => self.remote.push((place.core, vec![item], vec![index])),
        }
        Ok(())
    }

    fn finish(self, ticket: Ticket) -> Result<(), String> {
        let Run { cx, wait, group, hold, parts, remote, .. } = self;
        for (core, items, indices) in remote {
            let wait = wait.unwrap_or(AckWait::Nothing);
            cx.shard().append_there(core, wait, items, &group, indices);
        }
        drop(hold);
        if wait == Some(AckWait::Nothing) {
            return without_answer(cx.client, &group, ticket);
        }
        ticket.answer_when_appended(Appending { group, kind: cx.kind, parts });
        Ok(())
    }
}

/// acks=0: a failure cannot be told, so the connection ends and the client looks again where its
/// partitions are (as Kafka does).
fn without_answer(client: &Client, group: &AppendGroup, ticket: Ticket) -> Result<(), String> {
    ticket.answer(super::reply::Reply::Silent);
    match group.first_error() {
        None => Ok(()),
        Some(error) => Err(format!(
            "a produce request with acks=0 of client {:?} failed: {}",
            client.id(),
            error.message()
        )),
    }
}

/// Records of a transaction come from a producer with a transactional id. A request which has the
/// first and lacks the second is refused as a whole (Kafka: KafkaApis.handleProduceRequest).
fn unauthorised(transactional_id: Option<&str>, records: &[u8]) -> Option<ErrorCode> {
    let refused = transactional_id.is_none() && is_transactional(records);
    refused.then_some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
}

fn is_transactional(records: &[u8]) -> bool {
    BatchHeader::peek(records).is_ok_and(|batch| batch.is_transactional())
}

fn is_zstd(records: &[u8]) -> bool {
    BatchHeader::peek(records).is_ok_and(|batch| batch.codec() == Some(Codec::Zstd))
}
