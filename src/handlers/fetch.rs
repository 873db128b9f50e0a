//! Fetch: record batches, never decoded, from memory or by splice; parked until there is enough.
//!
//! Partitions of other cores are read there and copied once. The answer is the request's partitions
//! in the order of its session, cut at the request's bytes; the first batch of the first partition
//! that has any is served whatever its size, so that a reader always gets on.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::cx::{Client, Cx, Desk};
use super::fetch_session::{LastTold, Mode, Wanted};
use super::malformed;
use super::reply::{Reply, Ticket};
use super::topics::committed_only;
use crate::base::buf::{Buf, Slice};
use crate::base::signal::Signal;
use crate::model::error_code::ErrorCode;
use crate::model::ids::{PartitionId, TopicId};
use crate::rt::{self, Piece};
use crate::shard::Counters;
use crate::shard::query::{Answer, Ask, Query, Read, ReadAnswer, Told};
use crate::wire::frame::{self, RequestKind};
use crate::wire::message::Message;
use crate::wire::messages::Refuse;
use crate::wire::messages::fetch::{
    AbortedTransaction, EpochEndOffset, Fetch, FetchRequest, FetchResponse, FetchableTopicResponse,
    PartitionData,
};
use crate::wire::primitives::{Reader, Writer};
use crate::wire::value::Records;

/// Topics are named by id from this version on.
const BY_ID: i16 = 13;
/// A client that does not say which leader it expects; Kafka takes every negative number for that.
const ANY_EPOCH: i32 = -1;
/// Longest wait that is honoured; a longer one is cut to it.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// One parked or running fetch; owns all it needs.
struct Run {
    desk: Rc<Desk>,
    kind: RequestKind,
    mode: Mode,
    wanted: Vec<Wanted>,
    bytes_min: usize,
    bytes_max: usize,
    committed_only: bool,
}

/// What one partition answers with.
struct Part {
    error: ErrorCode,
    read: Option<Box<ReadAnswer>>,
    pieces: Vec<Piece>,
    bytes: usize,
}

pub async fn handle(cx: &Cx<'_>, body: &[u8], ticket: Ticket) -> Result<(), String> {
    let version = cx.version();
    let request = FetchRequest::decode(&mut Reader::new(body), version)
        .map_err(|error| malformed("Fetch", version, error))?;
    let is_follower = request.replica_id >= 0 || request.replica_state.replica_id >= 0;
    if is_follower {
        // CVE-2018-1288: nobody becomes a replica by saying so. There are no followers yet.
        let error = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        ticket.answer(cx.reply::<Fetch>(&Fetch::refusal(&request, version, error)));
        return Ok(());
    }
    // A reader that asks for more than we know must not get less without a word.
    let Some(committed_only) = committed_only(request.isolation_level) else {
        let error = ErrorCode::INVALID_REQUEST;
        ticket.answer(cx.reply::<Fetch>(&Fetch::refusal(&request, version, error)));
        return Ok(());
    };
    let by_id = version >= BY_ID;
    let (wanted, forgotten) = wanted(cx, &request, by_id);
    let (id, epoch) = (request.session_id, request.session_epoch);
    let begun =
        cx.desk.sessions.borrow_mut().begin(id, epoch, by_id, wanted, &forgotten, rt::now());
    let (mode, wanted) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            let refused = FetchResponse { error_code: error, ..Default::default() };
            ticket.answer(cx.reply::<Fetch>(&refused));
            return Ok(());
        }
    };
    let limit = cx.shard().config().fetch_max_bytes;
    let run = Run {
        desk: cx.desk.clone(),
        kind: cx.kind,
        mode,
        wanted,
        bytes_min: request.min_bytes.max(0) as usize,
        bytes_max: request.max_bytes.clamp(0, limit) as usize,
        committed_only,
    };
    let wait = Duration::from_millis(request.max_wait_ms.max(0) as u64).min(WAIT_MAX);
    let parts = run.pass().await;
    if wait.is_zero() || run.is_enough(&parts) {
        ticket.answer(run.answer(parts));
        return Ok(());
    }
    let client = cx.client.clone();
    rt::spawn(run.park(client, wait, ticket)).detach();
    Ok(())
}

fn wanted(
    cx: &Cx<'_>,
    request: &FetchRequest<'_>,
    by_id: bool,
) -> (Vec<Wanted>, Vec<super::fetch_session::Key>) {
    // Known topics get both names; unknown ones keep the one they were asked by.
    let resolve = |name: &str, id: TopicId| -> (TopicId, Rc<str>) {
        let found = if by_id { cx.shard().topic_by_id(id) } else { cx.shard().topic(name) };
        match found {
            Some(topic) => (topic.id, topic.name.clone()),
            None => (id, name.into()),
        }
    };
    let mut wanted = Vec::new();
    for topic in &request.topics {
        let (id, name) = resolve(topic.topic, topic.topic_id);
        wanted.extend(topic.partitions.iter().map(|partition| Wanted {
            topic: id,
            name: name.clone(),
            partition: PartitionId(partition.partition),
            leader_epoch: partition.current_leader_epoch.max(ANY_EPOCH),
            offset: partition.fetch_offset,
            last_fetched_epoch: partition.last_fetched_epoch,
            bytes_max: partition.partition_max_bytes,
        }));
    }
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        let (id, name) = resolve(topic.topic, topic.topic_id);
        forgotten.extend(topic.partitions.iter().map(|&p| (id, name.clone(), PartitionId(p))));
    }
    (wanted, forgotten)
}

impl Run {
    /// Waits for enough, until the time is over.
    async fn park(self, _client: Rc<Client>, wait: Duration, ticket: Ticket) {
        let deadline = rt::now() + wait;
        let partitions: Vec<_> =
            self.wanted.iter().map(|wanted| (wanted.topic, wanted.partition)).collect();
        loop {
            let signal = Rc::new(Signal::default());
            let left = deadline.since(rt::now());
            // Watch first, then look: nothing can slip in between.
            self.desk.shard.watch(&partitions, &signal, left);
            let parts = self.pass().await;
            if left.is_zero() || self.is_enough(&parts) {
                ticket.answer(self.answer(parts));
                return;
            }
            drop(parts);
            rt::timeout(left, signal.wait()).await;
        }
    }

    fn is_enough(&self, parts: &[Part]) -> bool {
        let bytes: usize = parts.iter().map(|part| part.bytes).sum();
        bytes >= self.bytes_min.min(self.bytes_max.max(1))
            || parts.iter().any(|part| {
                part.error != ErrorCode::NONE
                    || part.read.as_ref().is_some_and(|read| read.diverging.is_some())
            })
    }

    /// Reads every partition once.
    async fn pass(&self) -> Vec<Part> {
        let shard = &self.desk.shard;
        let mut left = self.bytes_max;
        let mut served = false;
        let mut parts: Vec<Part> = Vec::with_capacity(self.wanted.len());
        let mut remote = Vec::new();
        for (index, wanted) in self.wanted.iter().enumerate() {
            let read = Read {
                offset: wanted.offset,
                bytes_max: (wanted.bytes_max.max(0) as usize).min(left),
                at_least_one: !served,
                committed_only: self.committed_only,
                last_fetched_epoch: wanted.last_fetched_epoch,
            };
            let topic = shard.topic_by_id(wanted.topic);
            let Some(topic) = topic else {
                // One that had a name when its session began is known no longer, like a name.
                let unknown = if self.kind.version >= BY_ID && wanted.name.is_empty() {
                    ErrorCode::UNKNOWN_TOPIC_ID
                } else {
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                };
                parts.push(Part::failed(unknown));
                continue;
            };
            let Some(place) = topic.partition(wanted.partition.0) else {
                parts.push(Part::failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
                continue;
            };
            if place.core != shard.core() {
                remote.push((index, self.query(wanted, read)));
                parts.push(Part::failed(ErrorCode::NONE));
                continue;
            }
            let Some(partition) = &place.here else {
                parts.push(Part::failed(ErrorCode::KAFKA_STORAGE_ERROR));
                continue;
            };
            Counters::add(&shard.counters.direct, 1);
            let (answer, pieces) = partition.read(wanted.leader_epoch, read).await;
            let part = Part::new(answer, pieces);
            left = left.saturating_sub(part.bytes);
            served |= part.bytes > 0;
            parts.push(part);
        }
        if !remote.is_empty() {
            self.pass_remote(remote, &mut parts, left, served).await;
        }
        parts
    }

    fn query(&self, wanted: &Wanted, read: Read) -> Query {
        Query {
            topic: wanted.topic,
            partition: wanted.partition,
            leader_epoch: wanted.leader_epoch,
            ask: Ask::Read(read),
        }
    }

    /// Reads on other cores, all at once; what then exceeds the request's bytes is left for the
    /// next fetch.
    async fn pass_remote(
        &self,
        remote: Vec<(usize, Query)>,
        parts: &mut [Part],
        mut left: usize,
        mut served: bool,
    ) {
        let (indices, mut queries): (Vec<_>, Vec<_>) = remote.into_iter().unzip();
        for query in &mut queries {
            if let Ask::Read(read) = &mut query.ask {
                read.bytes_max = read.bytes_max.min(left);
                read.at_least_one = !served;
            }
        }
        let answers = self.desk.shard.ask(queries).await;
        for (index, answer) in indices.into_iter().zip(answers) {
            let mut part = Part::new(answer, Vec::new());
            if part.bytes > left && served {
                part.bytes = 0;
                part.pieces.clear();
            }
            left = left.saturating_sub(part.bytes);
            served |= part.bytes > 0;
            parts[index] = part;
        }
    }

    fn answer(&self, parts: Vec<Part>) -> Reply {
        let session = match self.mode {
            Mode::Full => None,
            Mode::Opening(id) | Mode::Incremental(id) => Some(id),
        };
        let mut responses: Vec<FetchableTopicResponse<'_>> = Vec::new();
        let mut pieces: VecDeque<(usize, Vec<Piece>)> = VecDeque::new();
        for (wanted, part) in self.wanted.iter().zip(parts) {
            let mut data = part.describe(wanted.partition, self.committed_only);
            if let Some(id) = session {
                let told = LastTold {
                    high_watermark: data.high_watermark,
                    log_start_offset: data.log_start_offset,
                    error: data.error_code,
                };
                let has_records = part.bytes > 0 || data.diverging_epoch.epoch >= 0;
                let mut sessions = self.desk.sessions.borrow_mut();
                let news = sessions.is_news(id, &wanted.key(), told, has_records);
                if !news && matches!(self.mode, Mode::Incremental(_)) {
                    continue;
                }
            }
            if part.bytes > 0 {
                data.records = Records::External(part.bytes as u32);
                pieces.push_back((part.bytes, part.pieces));
            }
            let same = |topic: &FetchableTopicResponse<'_>| {
                topic.topic == &*wanted.name && topic.topic_id == wanted.topic
            };
            match responses.last_mut().filter(|topic| same(topic)) {
                Some(topic) => topic.partitions.push(data),
                None => responses.push(FetchableTopicResponse {
                    topic: &wanted.name,
                    topic_id: wanted.topic,
                    partitions: vec![data],
                }),
            }
        }
        let response =
            FetchResponse { session_id: session.unwrap_or(0), responses, ..Default::default() };
        interleave(self.kind, &response, pieces)
    }
}

/// The answer's frame with the records in their gaps.
fn interleave(
    kind: RequestKind,
    response: &FetchResponse<'_>,
    records: VecDeque<(usize, Vec<Piece>)>,
) -> Reply {
    let mut bytes = super::spare::spare_vec();
    let mut writer = Writer::new(&mut bytes);
    frame::write_response::<Fetch>(&mut writer, kind.version, kind.correlation_id, response);
    let gaps = std::mem::take(&mut writer.gaps);
    assert_eq!(gaps.len(), records.len(), "one gap for each partition with records");
    if gaps.is_empty() {
        return Reply::Frame(bytes);
    }
    let whole = Slice::from(Buf::copy_of(&bytes));
    let mut out = Vec::with_capacity(2 * gaps.len() + 1);
    let mut from = 0;
    for (gap, (_, pieces)) in gaps.into_iter().zip(records) {
        out.push(part_of(&whole, from, gap));
        out.extend(pieces);
        from = gap;
    }
    if from < whole.len() {
        out.push(part_of(&whole, from, whole.len()));
    }
    super::spare::recycle_vec(bytes);
    Reply::Pieces(out)
}

fn part_of(whole: &Slice, from: usize, to: usize) -> Piece {
    let mut part = whole.clone();
    part.advance(from);
    part.truncate(to - from);
    Piece::Bytes(part)
}

impl Part {
    fn failed(error: ErrorCode) -> Part {
        Part { error, read: None, pieces: Vec::new(), bytes: 0 }
    }

    fn new(answer: Answer, mut pieces: Vec<Piece>) -> Part {
        let Answer { error, told } = answer;
        let Told::Read(mut read) = told else { return Part::failed(error) };
        if let Some(copied) = read.copied.take().filter(|copied| !copied.is_empty()) {
            pieces.push(Piece::Bytes(Slice::from(copied)));
        }
        let bytes = pieces.iter().map(|piece| piece.len() as usize).sum();
        Part { error, read: Some(read), pieces, bytes }
    }

    fn describe(&self, partition: PartitionId, committed_only: bool) -> PartitionData<'static> {
        let mut data = PartitionData {
            partition_index: partition.0,
            error_code: self.error,
            high_watermark: -1,
            records: Records::Bytes(&[]),
            ..Default::default()
        };
        let unknown = [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::UNKNOWN_TOPIC_ID];
        if unknown.contains(&self.error) {
            data.aborted_transactions = Some(Vec::new());
        }
        if let Some(read) = &self.read {
            data.high_watermark = read.high_watermark;
            data.last_stable_offset = read.last_stable_offset;
            data.log_start_offset = read.log_start_offset;
            if committed_only {
                let list = read.aborted.iter().map(|&(producer_id, first_offset)| {
                    AbortedTransaction { producer_id, first_offset }
                });
                data.aborted_transactions = Some(list.collect());
            }
            if let Some((epoch, end_offset)) = read.diverging {
                data.diverging_epoch = EpochEndOffset { epoch, end_offset };
            }
        }
        data
    }
}
