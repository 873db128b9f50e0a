//! Topics through the wire: made, described, written and read to their end.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use ringmain::model::error_code::ErrorCode;
use ringmain::model::ids::TopicId;
use ringmain::wire::batch::Batches;
use ringmain::wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopics, CreateTopicsRequest,
};
use ringmain::wire::messages::delete_records::{
    DeleteRecords, DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use ringmain::wire::messages::delete_topics::{DeleteTopics, DeleteTopicsRequest};
use ringmain::wire::messages::describe_configs::{
    DescribeConfigs, DescribeConfigsRequest, DescribeConfigsResource,
};
use ringmain::wire::messages::fetch::{
    Fetch, FetchPartition, FetchRequest, FetchTopic, FetchableTopicResponse,
};
use ringmain::wire::messages::init_producer_id::{InitProducerId, InitProducerIdRequest};
use ringmain::wire::messages::list_offsets::{
    ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use ringmain::wire::messages::metadata::{Metadata, MetadataRequest, MetadataRequestTopic};
use ringmain::wire::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use ringmain::wire::record::{BatchBuilder, BatchFields, RecordReader};
use ringmain::wire::value::Records;

use crate::client::Client;

pub const LATEST: i64 = -1;
pub const EARLIEST: i64 = -2;

/// The first versions in which topics are named by id.
pub const PRODUCE_BY_ID: i16 = 13;
pub const FETCH_BY_ID: i16 = 13;

const TOPIC_RESOURCE: i8 = 2;

/// A topic as metadata shows it.
#[derive(Clone, Debug)]
pub struct Topic {
    pub name: String,
    pub id: TopicId,
    pub partitions: Vec<Place>,
}

/// Who leads a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub broker: i32,
    pub address: SocketAddr,
    pub epoch: i32,
}

pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

impl Topic {
    /// Makes a topic and describes it.
    pub fn create(
        client: &mut Client,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Topic {
        Topic::make(client, name, partitions, configs);
        Topic::describe(client, name)
    }

    pub fn make(client: &mut Client, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let error = Topic::try_make(client, name, partitions, configs).expect("an answer");
        assert_eq!(error, ErrorCode::NONE, "{name}");
    }

    pub fn try_make(
        client: &mut Client,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> io::Result<ErrorCode> {
        let configs = configs.iter();
        let configs =
            configs.map(|&(name, value)| CreatableTopicConfig { name, value: Some(value) });
        let topic = CreatableTopic {
            name,
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let answer = client.call::<CreateTopics>(7, &request)?;
        Ok(answer.body().topics[0].error_code)
    }

    pub fn describe(client: &mut Client, name: &str) -> Topic {
        Topic::find(client, name).expect("metadata").unwrap_or_else(|| panic!("no topic {name}"))
    }

    pub fn find(client: &mut Client, name: &str) -> io::Result<Option<Topic>> {
        let asked = MetadataRequestTopic { name: Some(name), ..Default::default() };
        let request = MetadataRequest {
            topics: Some(vec![asked]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let answer = client.call::<Metadata>(12, &request)?;
        let body = answer.body();
        let addresses: BTreeMap<i32, SocketAddr> = body
            .brokers
            .iter()
            .map(|broker| {
                let host = broker.host.parse().expect("an address");
                (broker.node_id, SocketAddr::new(host, broker.port as u16))
            })
            .collect();
        let topic = &body.topics[0];
        if topic.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
            return Ok(None);
        }
        assert_eq!(topic.error_code, ErrorCode::NONE);
        // As long as nobody leads a partition there is nothing to do with the topic.
        if topic.partitions.iter().any(|partition| !addresses.contains_key(&partition.leader_id)) {
            return Ok(None);
        }
        let mut partitions = topic.partitions.clone();
        partitions.sort_by_key(|partition| partition.partition_index);
        let partitions = partitions.iter().map(|partition| Place {
            broker: partition.leader_id,
            address: addresses[&partition.leader_id],
            epoch: partition.leader_epoch,
        });
        let partitions = partitions.collect();
        Ok(Some(Topic { name: name.to_owned(), id: topic.topic_id, partitions }))
    }

    pub fn delete(&self, client: &mut Client) {
        let error = self.try_delete(client).expect("an answer");
        assert_eq!(error, ErrorCode::NONE, "{}", self.name);
    }

    pub fn try_delete(&self, client: &mut Client) -> io::Result<ErrorCode> {
        let request = DeleteTopicsRequest {
            topic_names: vec![&self.name],
            timeout_ms: 60_000,
            ..Default::default()
        };
        let answer = client.call::<DeleteTopics>(5, &request)?;
        Ok(answer.body().responses[0].error_code)
    }

    /// DeleteRecords: the error and where the log begins now.
    pub fn trim(
        &self,
        client: &mut Client,
        partition: i32,
        offset: i64,
    ) -> io::Result<(ErrorCode, i64)> {
        let wanted = DeleteRecordsPartition { partition_index: partition, offset };
        let topic = DeleteRecordsTopic { name: &self.name, partitions: vec![wanted] };
        let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 30_000 };
        let answer = client.call::<DeleteRecords>(2, &request)?;
        let part = &answer.body().topics[0].partitions[0];
        Ok((part.error_code, part.low_watermark))
    }

    /// The value of one of its settings.
    pub fn config(&self, client: &mut Client, key: &str) -> io::Result<Option<String>> {
        let wanted = DescribeConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: &self.name,
            configuration_keys: Some(vec![key]),
        };
        let request = DescribeConfigsRequest { resources: vec![wanted], ..Default::default() };
        let answer = client.call::<DescribeConfigs>(4, &request)?;
        let body = answer.body();
        let found = body.results[0].configs.iter().find(|config| config.name == key);
        Ok(found.and_then(|config| config.value).map(str::to_owned))
    }

    /// A produce request with one batch for one partition.
    pub fn produce_request<'a>(
        &'a self,
        version: i16,
        partition: i32,
        acks: i16,
        batch: &'a [u8],
    ) -> ProduceRequest<'a> {
        let data = PartitionProduceData { index: partition, records: Some(batch) };
        let topic = TopicProduceData {
            name: if version < PRODUCE_BY_ID { &self.name } else { "" },
            topic_id: if version < PRODUCE_BY_ID { TopicId::NIL } else { self.id },
            partition_data: vec![data],
        };
        ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() }
    }

    /// Sends one batch and waits for its acknowledgement: the error and the base offset.
    pub fn produce(
        &self,
        client: &mut Client,
        partition: i32,
        batch: &[u8],
    ) -> io::Result<(ErrorCode, i64)> {
        let version = 11;
        let request = self.produce_request(version, partition, -1, batch);
        let answer = client.call::<Produce>(version, &request)?;
        let body = answer.body();
        let part = &body.responses[0].partition_responses[0];
        Ok((part.error_code, part.base_offset))
    }

    /// The time with which the broker stamped a batch.
    pub fn append_time(&self, client: &mut Client, batch: &[u8]) -> io::Result<i64> {
        let request = self.produce_request(11, 0, -1, batch);
        let answer = client.call::<Produce>(11, &request)?;
        let body = answer.body();
        let part = &body.responses[0].partition_responses[0];
        assert_eq!(part.error_code, ErrorCode::NONE);
        Ok(part.log_append_time_ms)
    }

    /// Produces values, one batch, and yields the offset of the first.
    pub fn put(&self, client: &mut Client, partition: i32, values: &[u64]) -> i64 {
        let batch = batch(Sequence::NONE, values, 0);
        let (error, offset) = self.produce(client, partition, &batch).expect("an answer");
        assert_eq!(error, ErrorCode::NONE);
        offset
    }

    /// A fetch of one partition, without a session.
    pub fn fetch_request(&self, version: i16, partition: FetchPartition) -> FetchRequest<'_> {
        FetchRequest {
            max_wait_ms: 0,
            min_bytes: 1,
            max_bytes: 64 << 20,
            topics: vec![self.fetch_topic(version, vec![partition])],
            ..Default::default()
        }
    }

    pub fn fetch_topic(&self, version: i16, partitions: Vec<FetchPartition>) -> FetchTopic<'_> {
        FetchTopic {
            topic: if version < FETCH_BY_ID { &self.name } else { "" },
            topic_id: if version < FETCH_BY_ID { TopicId::NIL } else { self.id },
            partitions,
        }
    }

    /// Everything readable of a partition from `offset` on.
    pub fn read_from(
        &self,
        client: &mut Client,
        partition: i32,
        offset: i64,
    ) -> io::Result<Vec<(i64, u64)>> {
        let read = self.try_read_from(client, partition, offset)?;
        Ok(read.unwrap_or_else(|error| panic!("{}-{partition}: {error}", self.name)))
    }

    fn try_read_from(
        &self,
        client: &mut Client,
        partition: i32,
        offset: i64,
    ) -> io::Result<Result<Vec<(i64, u64)>, ErrorCode>> {
        let version = 12;
        let mut position = offset;
        let mut records = Vec::new();
        loop {
            let wanted = from(partition, position);
            let request = self.fetch_request(version, wanted);
            let answer = client.call::<Fetch>(version, &request)?;
            let body = answer.body();
            let fetched = Fetched::of(&body.responses);
            if fetched.error != ErrorCode::NONE {
                return Ok(Err(fetched.error));
            }
            let next = fetched.next_offset(position);
            records.extend(fetched.records.into_iter().filter(|&(offset, _)| offset >= position));
            if next == position {
                assert!(position >= fetched.high_watermark, "no records below the high watermark");
                return Ok(Ok(records));
            }
            position = next;
        }
    }

    pub fn read_all(&self, client: &mut Client, partition: i32) -> io::Result<Vec<(i64, u64)>> {
        let start = self.offset_at(client, partition, EARLIEST)?;
        self.read_from(client, partition, start)
    }

    /// The whole log, or how that was refused.
    pub fn try_read_all(
        &self,
        client: &mut Client,
        partition: i32,
    ) -> io::Result<Result<Vec<(i64, u64)>, ErrorCode>> {
        self.try_read_from(client, partition, 0)
    }

    pub fn offset_at(
        &self,
        client: &mut Client,
        partition: i32,
        timestamp: i64,
    ) -> io::Result<i64> {
        let wanted =
            ListOffsetsPartition { partition_index: partition, timestamp, ..Default::default() };
        let topic = ListOffsetsTopic { name: &self.name, partitions: vec![wanted] };
        let request =
            ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        let answer = client.call::<ListOffsets>(7, &request)?;
        let body = answer.body();
        let part = &body.topics[0].partitions[0];
        assert_eq!(part.error_code, ErrorCode::NONE);
        Ok(part.offset)
    }
}

/// A partition of a fetch, as large as it comes.
pub fn from(partition: i32, offset: i64) -> FetchPartition {
    FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: 16 << 20,
        ..Default::default()
    }
}

/// The one partition of a fetch's answer.
#[derive(Debug)]
pub struct Fetched {
    pub error: ErrorCode,
    pub high_watermark: i64,
    pub log_start_offset: i64,
    pub bytes: usize,
    pub batches: usize,
    pub records: Vec<(i64, u64)>,
}

impl Fetched {
    pub fn of(topics: &[FetchableTopicResponse<'_>]) -> Fetched {
        let data = &topics[0].partitions[0];
        let bytes = match data.records {
            Records::Bytes(bytes) => bytes,
            _ => &[],
        };
        Fetched {
            error: data.error_code,
            high_watermark: data.high_watermark,
            log_start_offset: data.log_start_offset,
            bytes: bytes.len(),
            batches: Batches::new(bytes).count(),
            records: values(bytes),
        }
    }

    pub fn next_offset(&self, position: i64) -> i64 {
        self.records.last().map_or(position, |&(offset, _)| offset + 1)
    }
}

/// What an idempotent producer puts on a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub producer_id: i64,
    pub epoch: i16,
    pub base: i32,
}

impl Sequence {
    pub const NONE: Sequence = Sequence { producer_id: -1, epoch: -1, base: -1 };
}

/// A batch of these values, each with so many bytes of ballast behind it.
pub fn batch(sequence: Sequence, values: &[u64], ballast: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchFields {
        producer_id: sequence.producer_id,
        producer_epoch: sequence.epoch,
        base_sequence: sequence.base,
        ..BatchFields::default()
    });
    let mut bytes = vec![0; 8 + ballast];
    for value in values {
        bytes[..8].copy_from_slice(&value.to_be_bytes());
        builder.push(now_ms(), None, Some(&bytes), &[]);
    }
    builder.finish()
}

/// Offsets and values of a record set of [`batch`]es; each batch is checked as a consumer would.
pub fn values(records: &[u8]) -> Vec<(i64, u64)> {
    let mut out = Vec::new();
    for batch in Batches::new(records) {
        let batch = batch.expect("whole batches");
        batch.check_crc().expect("a good checksum");
        let count = batch.header.record_count();
        for record in RecordReader::new(batch.payload(), count) {
            let record = record.expect("a good record");
            let value = record.value.and_then(|value| value.first_chunk::<8>()).expect("a value");
            let offset = batch.header.base_offset() + i64::from(record.offset_delta);
            out.push((offset, u64::from_be_bytes(*value)));
        }
    }
    out
}

pub fn new_producer_id(client: &mut Client) -> io::Result<(ErrorCode, i64, i16)> {
    let request = InitProducerIdRequest { transaction_timeout_ms: 60_000, ..Default::default() };
    let answer = client.call::<InitProducerId>(4, &request)?;
    let body = answer.body();
    Ok((body.error_code, body.producer_id, body.producer_epoch))
}
