//! A transactional producer that does exactly what it is told to, in either protocol (KIP-98, KIP-890).

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::add_offsets_to_txn::{AddOffsetsToTxn, AddOffsetsToTxnRequest};
use ringmain::wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxn, AddPartitionsToTxnRequest, AddPartitionsToTxnTopic,
};
use ringmain::wire::messages::end_txn::{EndTxn, EndTxnRequest};
use ringmain::wire::messages::init_producer_id::{InitProducerId, InitProducerIdRequest};
use ringmain::wire::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use ringmain::wire::messages::txn_offset_commit::{
    TxnOffsetCommit, TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
};
use ringmain::wire::record::{BatchBuilder, BatchFields};

use crate::client::Client;
use crate::coordinator::{GROUP, TRANSACTION, find};
use crate::topics::{Topic, now_ms};

/// Between two attempts.
pub const PAUSE: Duration = Duration::from_millis(10);
/// Longest wait for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Which protocol the producer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It adds partitions itself and keeps its epoch.
    Old,
    /// The broker adds them, and each transaction has an epoch of its own.
    New,
}

/// What keeps it from going on.
#[derive(Debug)]
pub enum Trouble {
    /// The answer did not come.
    Connection,
    Said(ErrorCode),
}

impl From<io::Error> for Trouble {
    fn from(_: io::Error) -> Trouble {
        Trouble::Connection
    }
}

pub type Told<T> = Result<T, Trouble>;

/// Errors that pass by themselves.
pub fn is_passing(code: ErrorCode) -> bool {
    [
        ErrorCode::CONCURRENT_TRANSACTIONS,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::NOT_COORDINATOR,
        ErrorCode::NOT_ENOUGH_REPLICAS,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ]
    .contains(&code)
}

/// The first error, if there is one.
fn worst(codes: impl IntoIterator<Item = ErrorCode>) -> ErrorCode {
    codes.into_iter().find(|code| !code.is_none()).unwrap_or(ErrorCode::NONE)
}

/// Asks until the answer is none of those that pass.
fn until_clear<T>(mut ask: impl FnMut() -> io::Result<(ErrorCode, T)>) -> Told<T> {
    let began = Instant::now();
    loop {
        match ask()? {
            (ErrorCode::NONE, told) => return Ok(told),
            (code, _) if is_passing(code) && began.elapsed() < PATIENCE => thread::sleep(PAUSE),
            (code, _) => return Err(Trouble::Said(code)),
        }
    }
}

pub struct Session {
    bootstrap: SocketAddr,
    pub id: String,
    pub level: Level,
    pub timeout_ms: i32,
    coordinator: Option<Client>,
    pub producer: (i64, i16),
    /// The next of each partition.
    sequences: BTreeMap<(String, i32), i32>,
}

impl Session {
    pub fn new(bootstrap: SocketAddr, id: &str, level: Level, timeout_ms: i32) -> Session {
        Session {
            bootstrap,
            id: id.to_owned(),
            level,
            timeout_ms,
            coordinator: None,
            producer: (-1, -1),
            sequences: BTreeMap::new(),
        }
    }

    /// Another one that believes to be the same producer.
    pub fn double(&self) -> Session {
        Session {
            coordinator: None,
            id: self.id.clone(),
            sequences: self.sequences.clone(),
            ..*self
        }
    }

    /// The connection that it has, or a new one to whoever coordinates now.
    fn coordinator(&mut self) -> io::Result<&mut Client> {
        if self.coordinator.is_none() {
            self.coordinator = Some(find(self.bootstrap, TRANSACTION, &self.id)?);
        }
        Ok(self.coordinator.as_mut().expect("set above"))
    }

    /// After trouble.
    pub fn hang_up(&mut self) {
        self.coordinator = None;
    }

    /// InitProducerId: whatever was under way under this id has ended when it returns.
    pub fn begin(&mut self) -> Told<()> {
        let (id, timeout_ms) = (self.id.clone(), self.timeout_ms);
        let coordinator = self.coordinator()?;
        let producer = until_clear(|| {
            let request = InitProducerIdRequest {
                transactional_id: Some(&id),
                transaction_timeout_ms: timeout_ms,
                ..Default::default()
            };
            let answer = coordinator.call::<InitProducerId>(5, &request)?;
            let body = answer.body();
            Ok((body.error_code, (body.producer_id, body.producer_epoch)))
        })?;
        self.producer = producer;
        self.sequences.clear();
        Ok(())
    }

    /// AddPartitionsToTxn, which only the old protocol has.
    pub fn add(&mut self, topic: &str, partitions: &[i32]) -> Told<()> {
        if self.level == Level::New {
            return Ok(());
        }
        let (id, (producer_id, epoch)) = (self.id.clone(), self.producer);
        let coordinator = self.coordinator()?;
        until_clear(|| {
            let topic = AddPartitionsToTxnTopic { name: topic, partitions: partitions.to_vec() };
            let request = AddPartitionsToTxnRequest {
                v3_and_below_transactional_id: &id,
                v3_and_below_producer_id: producer_id,
                v3_and_below_producer_epoch: epoch,
                v3_and_below_topics: vec![topic],
                ..Default::default()
            };
            let answer = coordinator.call::<AddPartitionsToTxn>(3, &request)?;
            let body = answer.body();
            let results = &body.results_by_topic_v3_and_below[0].results_by_partition;
            Ok((worst(results.iter().map(|it| it.partition_error_code)), ()))
        })
    }

    /// One batch; yields its first offset. Without `add` before it, in the old protocol, the coordinator
    /// does not know of it.
    pub fn write(&mut self, topic: &Topic, partition: i32, values: &[u64]) -> Told<i64> {
        let place = (topic.name.clone(), partition);
        let sequence = self.sequences.get(&place).copied().unwrap_or(0);
        let bytes = transactional_batch(self.producer, sequence, values);
        let mut client = Client::connect(topic.partitions[partition as usize].address)?;
        let version = if self.level == Level::Old { 11 } else { 12 };
        let offset = until_clear(|| {
            let data = PartitionProduceData { index: partition, records: Some(&bytes) };
            let data = TopicProduceData {
                name: &topic.name,
                partition_data: vec![data],
                ..Default::default()
            };
            let request = ProduceRequest {
                transactional_id: Some(&self.id),
                acks: -1,
                timeout_ms: 20_000,
                topic_data: vec![data],
            };
            let answer = client.call::<Produce>(version, &request)?;
            let body = answer.body();
            let told = &body.responses[0].partition_responses[0];
            Ok((told.error_code, told.base_offset))
        })?;
        self.sequences.insert(place, sequence + values.len() as i32);
        Ok(offset)
    }

    /// How far a group has read, as part of the transaction; the group has no members.
    pub fn commit_offsets(
        &mut self,
        group: &str,
        topic: &str,
        offsets: &BTreeMap<i32, i64>,
    ) -> Told<()> {
        let (id, (producer_id, producer_epoch)) = (self.id.clone(), self.producer);
        if self.level == Level::Old {
            let coordinator = self.coordinator()?;
            until_clear(|| {
                let request = AddOffsetsToTxnRequest {
                    transactional_id: &id,
                    producer_id,
                    producer_epoch,
                    group_id: group,
                };
                let answer = coordinator.call::<AddOffsetsToTxn>(3, &request)?;
                Ok((answer.body().error_code, ()))
            })?;
        }
        let mut of_group = find(self.bootstrap, GROUP, group)?;
        let version = if self.level == Level::Old { 3 } else { 5 };
        until_clear(|| {
            let one = |(&partition_index, &committed_offset): (&i32, &i64)| {
                TxnOffsetCommitRequestPartition {
                    partition_index,
                    committed_offset,
                    ..Default::default()
                }
            };
            let request = TxnOffsetCommitRequest {
                transactional_id: &id,
                group_id: group,
                producer_id,
                producer_epoch,
                topics: vec![TxnOffsetCommitRequestTopic {
                    name: topic,
                    partitions: offsets.iter().map(one).collect(),
                    ..Default::default()
                }],
                ..Default::default()
            };
            let answer = of_group.call::<TxnOffsetCommit>(version, &request)?;
            let body = answer.body();
            Ok((worst(body.topics[0].partitions.iter().map(|it| it.error_code)), ()))
        })
    }

    fn end_version(&self) -> i16 {
        if self.level == Level::Old { 4 } else { 5 }
    }

    fn end_request(&self, committed: bool) -> EndTxnRequest<'_> {
        EndTxnRequest {
            transactional_id: &self.id,
            producer_id: self.producer.0,
            producer_epoch: self.producer.1,
            committed,
        }
    }

    /// The frame of an EndTxn, for somebody who sends it at another time.
    pub fn end_frame(&self, committed: bool) -> Vec<u8> {
        let request = self.end_request(committed);
        crate::client::request::<EndTxn>(self.end_version(), 1, &request)
    }

    /// Sends it and does not wait.
    pub fn send_end(&mut self, committed: bool) -> Told<()> {
        let frame = self.end_frame(committed);
        self.coordinator()?.send_bytes(&frame)?;
        Ok(())
    }

    pub fn end(&mut self, committed: bool) -> Told<()> {
        let version = self.end_version();
        let (id, (producer_id, producer_epoch)) = (self.id.clone(), self.producer);
        let coordinator = self.coordinator()?;
        let next = until_clear(|| {
            let request =
                EndTxnRequest { transactional_id: &id, producer_id, producer_epoch, committed };
            let answer = coordinator.call::<EndTxn>(version, &request)?;
            let body = answer.body();
            Ok((body.error_code, (body.producer_id, body.producer_epoch)))
        })?;
        if self.level == Level::New {
            self.producer = next;
            self.sequences.clear();
        }
        Ok(())
    }
}

/// A batch of these values in the name of a producer.
pub fn transactional_batch((id, epoch): (i64, i16), sequence: i32, values: &[u64]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchFields {
        transactional: true,
        producer_id: id,
        producer_epoch: epoch,
        base_sequence: sequence,
        ..BatchFields::default()
    });
    for value in values {
        builder.push(now_ms(), None, Some(&value.to_be_bytes()), &[]);
    }
    builder.finish()
}
