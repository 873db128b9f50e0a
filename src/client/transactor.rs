//! A transactional producer without a queue: batches and offsets go to the brokers as they are
//! given, within one transaction at a time, and are visible together or not at all (KIP-98).
//!
//! Opening one ends what an earlier one under the same id left behind, and fences it. After an
//! error nobody knows what was written: the transactor is spent, and another one opened under its
//! id finds out by ending the transaction. That is why only what cannot have been carried out is
//! repeated here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::client::{
    Backoff, Cluster, Connection, Coordinated, Error, Options, Result, Topic, coordinator,
    find_coordinator,
};
use crate::model::{BrokerId, ErrorCode, Offset};
use crate::rt;
use crate::wire::batch;
use crate::wire::messages::add_offsets_to_txn::{AddOffsetsToTxn, AddOffsetsToTxnRequest};
use crate::wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxn, AddPartitionsToTxnRequest, AddPartitionsToTxnTopic,
};
use crate::wire::messages::end_txn::{EndTxn, EndTxnRequest};
use crate::wire::messages::init_producer_id::{InitProducerId, InitProducerIdRequest};
use crate::wire::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use crate::wire::messages::txn_offset_commit::{
    TxnOffsetCommit, TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
};

/// Brokers add what is written to by themselves from this level of `transaction.version` on
/// (KIP-890); and the versions that then may be spoken, or else at most.
const IMPLICIT: i16 = 2;
const ADD_PARTITIONS_OF_CLIENTS: i16 = 3;
const PRODUCE_EXPLICIT: i16 = 11;
const PRODUCE_BY_NAME: i16 = 12;
const TXN_OFFSET_COMMIT_EXPLICIT: i16 = 4;
const TXN_OFFSET_COMMIT_BY_NAME: i16 = 5;
const END_TXN_EXPLICIT: i16 = 4;

/// An offset, and what is written beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetToCommit {
    pub topic: String,
    pub partition: i32,
    pub offset: Offset,
    pub note: String,
}

pub struct Transactor {
    cluster: Rc<Cluster>,
    id: String,
    coordinator: Rc<Connection>,
    producer_id: i64,
    epoch: i16,
    implicit: bool,
    /// Of each partition, under the present epoch.
    next_sequence: BTreeMap<(String, i32), i32>,
    /// What the coordinator was told of the transaction under way.
    partitions: BTreeSet<(String, i32)>,
    groups: BTreeSet<String>,
    /// Where groups are coordinated.
    homes: BTreeMap<String, Rc<Connection>>,
    is_open: bool,
}

impl Transactor {
    /// Ends what an earlier one of this id left behind; `timeout` is how long a transaction may take.
    pub async fn open(cluster: Rc<Cluster>, id: &str, timeout: Duration) -> Result<Transactor> {
        let request = InitProducerIdRequest {
            transactional_id: Some(id),
            transaction_timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
            producer_id: -1,
            producer_epoch: -1,
        };
        let (coordinator, producer_id, epoch) = cluster
            .retry(async || {
                let (broker, _) = find_coordinator(&cluster, id, Coordinated::Transaction).await?;
                let coordinator = cluster.broker(broker).await?;
                let answer = coordinator.call::<InitProducerId>(&request).await?;
                let response = answer.decode()?;
                accepted(id, response.error_code)?;
                Ok((coordinator, response.producer_id, response.producer_epoch))
            })
            .await?;
        let implicit = coordinator.versions().transaction_version() >= IMPLICIT;
        Ok(Transactor {
            cluster,
            id: id.to_owned(),
            coordinator,
            producer_id,
            epoch,
            implicit,
            next_sequence: BTreeMap::new(),
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            homes: BTreeMap::new(),
            is_open: false,
        })
    }

    /// Whether something was given to the transaction under way.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Writes batches to partitions, each partition's in their order. What they say of their
    /// producer is put right here.
    pub async fn write(
        &mut self,
        name: &str,
        topic: &Topic,
        mut batches: BTreeMap<i32, VecDeque<Vec<u8>>>,
    ) -> Result<()> {
        if !self.implicit {
            self.add_partitions(name, batches.keys().copied()).await?;
        }
        loop {
            let next = batches.iter_mut();
            let next = next.filter_map(|(&index, queue)| Some((index, queue.pop_front()?)));
            let mut round: BTreeMap<i32, Vec<u8>> = next.collect();
            if round.is_empty() {
                return Ok(());
            }
            self.is_open = true;
            for (&index, batch) in &mut round {
                self.stamp(name, index, batch);
            }
            self.send(name, topic, round).await?;
        }
    }

    fn stamp(&mut self, name: &str, index: i32, bytes: &mut [u8]) {
        let sequence = self.next_sequence.entry((name.to_owned(), index)).or_default();
        let mut put = |at: usize, field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
        };
        put(batch::PRODUCER_ID_AT, &self.producer_id.to_be_bytes());
        put(batch::PRODUCER_EPOCH_AT, &self.epoch.to_be_bytes());
        put(batch::BASE_SEQUENCE_AT, &sequence.to_be_bytes());
        batch::stamp_crc(bytes);
        let header = batch::BatchHeader::peek(bytes).expect("a batch");
        assert!(header.is_transactional(), "a batch that no transaction would hold back");
        *sequence = sequence.wrapping_add(header.record_count()) & i32::MAX;
    }

    /// One batch a partition, to all their leaders at once.
    async fn send(
        &self,
        name: &str,
        topic: &Topic,
        mut round: BTreeMap<i32, Vec<u8>>,
    ) -> Result<()> {
        let options = self.cluster.options();
        let (started, mut backoff) = (rt::now(), self.short_pauses());
        let most = match (self.implicit, topic.id.is_nil()) {
            (false, _) => PRODUCE_EXPLICIT,
            (true, true) => PRODUCE_BY_NAME,
            (true, false) => i16::MAX,
        };
        loop {
            let mut by_leader: BTreeMap<BrokerId, Vec<i32>> = BTreeMap::new();
            for &index in round.keys() {
                let leader = topic.partition(index).and_then(|partition| partition.leader);
                let subject = || format!("{name}-{index}");
                let leader = leader.ok_or_else(|| Error::NoLeader { subject: subject() })?;
                by_leader.entry(leader).or_default().push(index);
            }
            let mut pending = Vec::new();
            for (leader, indexes) in by_leader {
                let connection = self.cluster.broker(leader).await?;
                let version = connection.version_at_most::<Produce>(most)?;
                let data = |index: &i32| PartitionProduceData {
                    index: *index,
                    records: round.get(index).map(Vec::as_slice),
                };
                let request = ProduceRequest {
                    transactional_id: Some(&self.id),
                    acks: -1,
                    timeout_ms: i32::try_from(options.request_timeout.as_millis())
                        .unwrap_or(i32::MAX),
                    topic_data: vec![TopicProduceData {
                        name,
                        topic_id: topic.id,
                        partition_data: indexes.iter().map(data).collect(),
                    }],
                };
                let sent = connection.send::<Produce>(version, &request);
                pending.push(sent.allow(options.request_timeout / 2));
            }
            for pending in pending {
                let answer = pending.answer().await?;
                let response = answer.decode()?;
                for one in response.responses.iter().flat_map(|it| &it.partition_responses) {
                    match one.error_code {
                        ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => {
                            round.remove(&one.index);
                        }
                        // The transaction before is still being ended; nothing was written.
                        ErrorCode::CONCURRENT_TRANSACTIONS => {}
                        code => {
                            let subject = format!("{name}-{}", one.index);
                            return Err(Error::refused(subject, code, one.error_message));
                        }
                    }
                }
            }
            if round.is_empty() {
                return Ok(());
            }
            if rt::now().since(started) > options.retry_for {
                return Err(self.refused(ErrorCode::CONCURRENT_TRANSACTIONS));
            }
            backoff.pause().await;
        }
    }

    async fn add_partitions(
        &mut self,
        name: &str,
        indexes: impl Iterator<Item = i32>,
    ) -> Result<()> {
        let new = indexes.filter(|&index| !self.partitions.contains(&(name.to_owned(), index)));
        let new: Vec<i32> = new.collect();
        if new.is_empty() {
            return Ok(());
        }
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: &self.id,
            v3_and_below_producer_id: self.producer_id,
            v3_and_below_producer_epoch: self.epoch,
            v3_and_below_topics: vec![AddPartitionsToTxnTopic { name, partitions: new.clone() }],
            ..Default::default()
        };
        self.is_open = true;
        self.settled(async || {
            let connection = &self.coordinator;
            let version =
                connection.version_at_most::<AddPartitionsToTxn>(ADD_PARTITIONS_OF_CLIENTS)?;
            let sent = connection.send::<AddPartitionsToTxn>(version, &request);
            let answer = sent.answer().await?;
            let response = answer.decode()?;
            let results = response.results_by_topic_v3_and_below.iter();
            let results = results.flat_map(|topic| &topic.results_by_partition);
            let mut codes = results.map(|one| one.partition_error_code);
            self.accepted(codes.find(|code| !code.is_none()).unwrap_or(ErrorCode::NONE))
        })
        .await?;
        self.partitions.extend(new.into_iter().map(|index| (name.to_owned(), index)));
        Ok(())
    }

    /// Commits offsets in the name of a group, whoever its members are, with the transaction.
    pub async fn commit_offsets(&mut self, group: &str, offsets: &[OffsetToCommit]) -> Result<()> {
        if !self.implicit && !self.groups.contains(group) {
            self.add_group(group).await?;
        }
        let mut topics: BTreeMap<&str, Vec<TxnOffsetCommitRequestPartition<'_>>> = BTreeMap::new();
        for one in offsets {
            topics.entry(&one.topic).or_default().push(TxnOffsetCommitRequestPartition {
                partition_index: one.partition,
                committed_offset: one.offset,
                committed_metadata: Some(&one.note),
                ..Default::default()
            });
        }
        let request = TxnOffsetCommitRequest {
            transactional_id: &self.id,
            group_id: group,
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            generation_id_or_member_epoch: -1,
            topics: topics
                .into_iter()
                .map(|(name, partitions)| TxnOffsetCommitRequestTopic {
                    name,
                    partitions,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        let most = match self.implicit {
            true => TXN_OFFSET_COMMIT_BY_NAME,
            false => TXN_OFFSET_COMMIT_EXPLICIT,
        };
        self.is_open = true;
        let connection = match self.homes.get(group) {
            Some(connection) => connection.clone(),
            None => coordinator(&self.cluster, group).await?.1,
        };
        self.homes.insert(group.to_owned(), connection.clone());
        self.settled(async || {
            let version = connection.version_at_most::<TxnOffsetCommit>(most)?;
            let sent = connection.send::<TxnOffsetCommit>(version, &request);
            let answer = sent.answer().await?;
            let response = answer.decode()?;
            let results = response.topics.iter().flat_map(|topic| &topic.partitions);
            let mut codes = results.map(|one| one.error_code);
            match codes.find(|code| !code.is_none()) {
                Some(code) => Err(Error::refused(format!("group {group}"), code, None)),
                None => Ok(()),
            }
        })
        .await
    }

    async fn add_group(&mut self, group: &str) -> Result<()> {
        let request = AddOffsetsToTxnRequest {
            transactional_id: &self.id,
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            group_id: group,
        };
        self.is_open = true;
        self.settled(async || {
            let answer = self.coordinator.call::<AddOffsetsToTxn>(&request).await?;
            self.accepted(answer.decode()?.error_code)
        })
        .await?;
        self.groups.insert(group.to_owned());
        Ok(())
    }

    /// Ends the transaction: from here on what was given to it is seen, all of it. Without anything
    /// given there is nothing to end.
    pub async fn commit(&mut self) -> Result<()> {
        self.end(true).await
    }

    /// Ends the transaction as if it had never been.
    pub async fn abort(&mut self) -> Result<()> {
        self.end(false).await
    }

    async fn end(&mut self, committed: bool) -> Result<()> {
        if !self.is_open {
            return Ok(());
        }
        let request = EndTxnRequest {
            transactional_id: &self.id,
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            committed,
        };
        let most = if self.implicit { i16::MAX } else { END_TXN_EXPLICIT };
        let version = self.coordinator.version_at_most::<EndTxn>(most)?;
        let answer = self.coordinator.send::<EndTxn>(version, &request).answer().await?;
        let response = answer.decode()?;
        self.accepted(response.error_code)?;
        if version > END_TXN_EXPLICIT && response.producer_id >= 0 {
            // Another epoch begins its own sequences.
            (self.producer_id, self.epoch) = (response.producer_id, response.producer_epoch);
            self.next_sequence.clear();
        }
        self.partitions.clear();
        self.groups.clear();
        self.is_open = false;
        Ok(())
    }

    /// Repeats what is refused only because the transaction before is still being ended.
    async fn settled(&self, mut attempt: impl AsyncFnMut() -> Result<()>) -> Result<()> {
        let options = self.cluster.options();
        let (started, mut backoff) = (rt::now(), self.short_pauses());
        loop {
            let done = attempt().await;
            let code = done.as_ref().err().and_then(Error::code);
            let too_long = rt::now().since(started) > options.retry_for;
            if code != Some(ErrorCode::CONCURRENT_TRANSACTIONS) || too_long {
                return done;
            }
            backoff.pause().await;
        }
    }

    /// Ending a transaction takes milliseconds.
    fn short_pauses(&self) -> Backoff {
        Backoff::new(&Options {
            retry_pause_min: Duration::from_millis(1),
            retry_pause_max: Duration::from_millis(50),
            ..self.cluster.options().clone()
        })
    }

    fn accepted(&self, code: ErrorCode) -> Result<()> {
        accepted(&self.id, code)
    }

    fn refused(&self, code: ErrorCode) -> Error {
        Error::refused(format!("transactional id {}", self.id), code, None)
    }
}

fn accepted(id: &str, code: ErrorCode) -> Result<()> {
    match code {
        ErrorCode::NONE => Ok(()),
        code => Err(Error::refused(format!("transactional id {id}"), code, None)),
    }
}
