//! Produce: record sets to the cores that own their partitions, acknowledged when the topic's
//! durability level is met.
//!
//! Nothing here waits, but for the first batches of a transaction (see `vouching`): every append takes
//! its offset before the next frame is looked at, so the order of a connection is the order of the
//! log. The answer is written when the last partition of the request is acknowledged. A large record
//! set of one partition at home here is received in place: [`place`] says where, before the frame is
//! complete.

use std::rc::Rc;

use super::appending::{Appending, TopicName};
use super::cx::{Client, Cx, Desk};
use super::malformed;
use super::reply::Ticket;
use super::topics;
use super::vouching::{self, Leave};
use crate::base::buf::Buf;
use crate::log::Records;
use crate::model::error_code::ErrorCode;
use crate::model::ids::{PartitionId, TopicId};
use crate::shard::Counters;
use crate::shard::append_group::{AppendGroup, AppendResult, Hold};
use crate::shard::message::{AckWait, Proof, RemoteRecords};
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
/// Producers understand TRANSACTION_ABORTABLE from this version on, and from the next one they leave it
/// to the broker to add partitions to their transactions (KIP-890).
const ABORTABLE: i16 = 11;
const RELIES: i16 = 12;
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
pub async fn handle(cx: &Cx<'_>, body: &[u8], ticket: Ticket) -> Result<(), String> {
    let version = cx.version();
    let fail = |error| malformed("Produce", version, error);
    let parts = ProduceParts::new(body, version).map_err(fail)?;
    // The request is looked through before anything of it is done.
    let mut refused = None;
    for part in parts.clone() {
        let records = part.map_err(fail)?.records.map_or(&[][..], |range| &body[range]);
        refused = refused.or(unauthorised(parts.transactional_id, records));
    }
    let mut leaves = Leaves::None;
    if let Some(id) = parts.transactional_id.filter(|_| refused.is_none()) {
        let mut named = Vec::new();
        for part in parts.clone() {
            let part = part.map_err(fail)?;
            let records = part.records.map_or(&[][..], |range| &body[range]);
            named.push((part.topic, part.topic_id, part.partition, records));
        }
        leaves = Box::pin(vouched(cx, id, parts.acks, &named)).await;
    }
    let mut run = Run::new(cx, parts.acks, refused, &ticket);
    for part in parts {
        let part = part.map_err(fail)?;
        let records = part.records.map_or(&[][..], |range| &body[range]);
        let leave = leaves.next();
        run.append(part.topic, part.topic_id, part.partition, Records::Copy(records), leave);
    }
    run.finish(ticket)
}

/// For each part of a request, in order, whether it may be appended.
enum Leaves {
    /// Every one may: none is of a transaction.
    None,
    Each(std::vec::IntoIter<Leave>, vouching::Client),
}

impl Leaves {
    fn next(&mut self) -> Result<Proof, AppendResult> {
        match self {
            Leaves::None => Ok(Proof::Needless),
            Leaves::Each(leaves, client) => {
                let leave = leaves.next().unwrap_or(Ok(Proof::Guard(None)));
                leave.map_err(|code| vouching::refusal(code, *client))
            }
        }
    }
}

/// The connection's next request is looked at when the coordinator has answered, if it has to be
/// asked: the order of a connection stays that of the log.
async fn vouched(
    cx: &Cx<'_>,
    transactional_id: &str,
    acks: i16,
    parts: &[(&str, TopicId, i32, &[u8])],
) -> Leaves {
    let client = match cx.version() {
        RELIES.. => vouching::Client::Relies,
        ABORTABLE.. => vouching::Client::Adds,
        _ => vouching::Client::Old,
    };
    let mut leaves: Vec<Leave> = Vec::with_capacity(parts.len());
    let (mut wishes, mut of_wish) = (Vec::new(), Vec::new());
    for (index, &(topic, id, partition, records)) in parts.iter().enumerate() {
        // What is not found, or not allowed, is refused where everything is.
        leaves.push(Ok(Proof::Guard(None)));
        let found = topics::find(cx.desk, topic, id, cx.version() >= BY_ID).ok();
        let found = found.filter(|topic| topic.partition(partition).is_some() && !topic.internal);
        let known_acks = (-1..=1).contains(&acks);
        if let (Some(topic), Some(claim), true) = (found, vouching::claim(records), known_acks) {
            wishes.push(vouching::Wish { topic, partition, claim });
            of_wish.push(index);
        }
    }
    for (index, leave) in of_wish.into_iter().zip(cx.vouch(transactional_id, client, &wishes).await)
    {
        leaves[index] = leave;
    }
    Leaves::Each(leaves.into_iter(), client)
}

/// A request whose one record set was received apart: `body` holds what stands before it.
pub async fn handle_placed(
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
    let mut leaves = Leaves::None;
    if let Some(id) = head.transactional_id.filter(|_| refused.is_none()) {
        let named = [(head.topic, head.topic_id, head.partition, &buf[start..])];
        leaves = Box::pin(vouched(cx, id, head.acks, &named)).await;
    }
    let mut run = Run::new(cx, head.acks, refused, &ticket);
    let records = Records::Adopt { buf, start };
    run.append(head.topic, head.topic_id, head.partition, records, leaves.next());
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

    fn append(
        &mut self,
        topic: &str,
        id: TopicId,
        partition: i32,
        records: Records<'_>,
        leave: Result<Proof, AppendResult>,
    ) {
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
        match leave {
            Ok(proof) => {
                if let Err(error) = self.route(&topic, partition, records, proof, index) {
                    self.group.settle(index, AppendResult::failed(error));
                }
            }
            Err(refused) => self.group.settle(index, refused),
        }
    }

    fn route(
        &mut self,
        topic: &TopicPlace,
        partition: i32,
        records: Records<'_>,
        proof: Proof,
        index: usize,
    ) -> Result<(), ErrorCode> {
        let wait = self.wait.ok_or(ErrorCode::INVALID_REQUIRED_ACKS)?;
        let place = topic.partition(partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if topic.internal {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
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
            here.append(records, proof, wait, &self.group, index);
            return Ok(());
        }
        let records = match records {
            Records::Copy(bytes) => Buf::copy_of(bytes),
            Records::Adopt { buf, start } => Buf::copy_of(&buf[start..]),
        };
        let partition = PartitionId(partition);
        let item = RemoteRecords { topic: topic.id, partition, proof, records };
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
