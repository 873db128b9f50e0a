//! What there is to know of a cluster before the work begins: versions, leaders, offsets,
//! coordinators; asked over blocking connections, one question at a time.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use ringmain::model::{ErrorCode, TopicId};
use ringmain::wire::Api;
use ringmain::wire::messages::api_versions::{ApiVersions, ApiVersionsRequest};
use ringmain::wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopics, CreateTopicsRequest,
};
use ringmain::wire::messages::find_coordinator::{FindCoordinator, FindCoordinatorRequest};
use ringmain::wire::messages::init_producer_id::{InitProducerId, InitProducerIdRequest};
use ringmain::wire::messages::list_offsets::{
    ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use ringmain::wire::messages::metadata::{Metadata, MetadataRequest, MetadataRequestTopic};
use ringmain::wire::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use ringmain::wire::record::{BatchBuilder, BatchFields};

use crate::clock;
use crate::driver::NewTopic;
use crate::lean::rpc::{Broker, check};

/// Of topics in one request.
const TOPICS_AT_ONCE: usize = 500;
const TRIES: u32 = 6000;
const PAUSE: Duration = Duration::from_millis(5);
const TRANSACTION_FEATURE: &str = "transaction.version";

/// A cluster, and one connection to it for questions.
pub struct Cluster {
    broker: Broker,
    bootstrap: String,
    /// Addresses by node id.
    nodes: BTreeMap<i32, String>,
    ranges: BTreeMap<i16, (i16, i16)>,
    pub transaction_version: i16,
}

#[derive(Clone, Debug)]
pub struct Topic {
    pub name: String,
    pub id: TopicId,
    /// The leading node of each partition.
    pub leaders: Vec<i32>,
}

pub enum CoordinatorOf {
    Group = 0,
    Transaction = 1,
}

impl Cluster {
    pub fn connect(bootstrap: &str) -> io::Result<Cluster> {
        let mut broker = Broker::connect(bootstrap)?;
        let request = ApiVersionsRequest {
            client_software_name: "ringmain-bench",
            client_software_version: env!("CARGO_PKG_VERSION"),
            ..Default::default()
        };
        let (ranges, transaction_version) =
            broker.call::<ApiVersions, _>(3, &request, |answer| {
                check("ApiVersions", answer.error_code)?;
                let ranges = answer.api_keys.iter();
                let ranges = ranges.map(|api| (api.api_key, (api.min_version, api.max_version)));
                let mut features = answer.finalized_features.iter();
                let feature = features.find(|feature| feature.name == TRANSACTION_FEATURE);
                io::Result::Ok((ranges.collect(), feature.map_or(0, |f| f.max_version_level)))
            })??;
        let bootstrap = bootstrap.to_owned();
        Ok(Cluster { broker, bootstrap, nodes: BTreeMap::new(), ranges, transaction_version })
    }

    /// The highest version that both sides speak and that is not above `most`.
    pub fn version<A: Api>(&self, most: i16) -> io::Result<i16> {
        let (min, max) = self.ranges.get(&A::KEY).copied().unwrap_or((0, -1));
        let version = max.min(A::MAX).min(most);
        match version >= min.max(A::MIN) {
            true => Ok(version),
            false => Err(io::Error::other(format!("the broker has no {} up to {most}", A::NAME))),
        }
    }

    pub fn create_topics(
        &mut self,
        topics: &[NewTopic],
        replication: i16,
        configs: &[(&str, &str)],
    ) -> io::Result<()> {
        let version = self.version::<CreateTopics>(5)?;
        for some in topics.chunks(TOPICS_AT_ONCE) {
            let topic = |topic: &'_ NewTopic| -> (String, i32) {
                (topic.name.clone(), topic.partitions as i32)
            };
            let named: Vec<_> = some.iter().map(topic).collect();
            let settings = configs.iter();
            let settings =
                settings.map(|&(name, value)| CreatableTopicConfig { name, value: Some(value) });
            let settings: Vec<_> = settings.collect();
            let topics = named.iter().map(|(name, partitions)| CreatableTopic {
                name,
                num_partitions: *partitions,
                replication_factor: replication,
                assignments: Vec::new(),
                configs: settings.clone(),
            });
            let request = CreateTopicsRequest {
                topics: topics.collect(),
                timeout_ms: 120_000,
                ..Default::default()
            };
            self.broker.call::<CreateTopics, _>(version, &request, |answer| {
                answer.topics.iter().try_for_each(|topic| {
                    check("CreateTopics", topic.error_code).map_err(|error| {
                        match topic.error_message {
                            Some(text) => io::Error::other(format!("{error}: {text}")),
                            None => error,
                        }
                    })
                })
            })??;
        }
        Ok(())
    }

    /// Topics as they are led; waits until every partition has a leader.
    pub fn topics(&mut self, names: &[String]) -> io::Result<Vec<Topic>> {
        let mut found = Vec::new();
        for some in names.chunks(TOPICS_AT_ONCE) {
            let mut tries = TRIES;
            loop {
                match self.described(some) {
                    Ok(topics) => {
                        found.extend(topics);
                        break;
                    }
                    Err(error) if tries == 0 => return Err(error),
                    Err(_) => tries -= 1,
                }
                thread::sleep(PAUSE);
            }
        }
        Ok(found)
    }

    fn described(&mut self, names: &[String]) -> io::Result<Vec<Topic>> {
        let version = self.version::<Metadata>(12)?;
        let topics = names
            .iter()
            .map(|name| MetadataRequestTopic { name: Some(name), ..Default::default() });
        let request = MetadataRequest {
            topics: Some(topics.collect()),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let (nodes, mut topics) =
            self.broker.call::<Metadata, _>(version, &request, |answer| {
                let nodes: BTreeMap<i32, String> = answer
                    .brokers
                    .iter()
                    .map(|broker| (broker.node_id, format!("{}:{}", broker.host, broker.port)))
                    .collect();
                let mut topics = BTreeMap::new();
                for topic in &answer.topics {
                    check("Metadata", topic.error_code)?;
                    let mut partitions: Vec<_> = topic.partitions.iter().collect();
                    partitions.sort_by_key(|partition| partition.partition_index);
                    for partition in &partitions {
                        check("Metadata", partition.error_code)?;
                    }
                    let name = topic.name.unwrap_or_default().to_owned();
                    let leaders: Vec<i32> =
                        partitions.iter().map(|found| found.leader_id).collect();
                    if !leaders.iter().all(|leader| nodes.contains_key(leader)) {
                        return Err(io::Error::other("a partition without a leader"));
                    }
                    topics.insert(name.clone(), Topic { name, id: topic.topic_id, leaders });
                }
                io::Result::Ok((nodes, topics))
            })??;
        self.nodes.extend(nodes);
        let missing = |name: &str| io::Error::other(format!("the broker does not tell of {name}"));
        names.iter().map(|name| topics.remove(name).ok_or_else(|| missing(name))).collect()
    }

    /// An offset of each partition, by `EARLIEST` or `LATEST`; waits for leaders that are not yet.
    pub fn offsets(&mut self, topic: &Topic, timestamp: i64) -> io::Result<Vec<i64>> {
        let version = self.version::<ListOffsets>(6)?;
        let mut offsets = vec![-1; topic.leaders.len()];
        let mut leaders = topic.leaders.clone();
        leaders.sort_unstable();
        leaders.dedup();
        for node in leaders {
            let mut broker = Broker::connect(self.address(node)?)?;
            let mut tries = TRIES;
            loop {
                let led = topic.leaders.iter().enumerate().filter(|&(_, &leader)| leader == node);
                let partitions = led.map(|(index, _)| ListOffsetsPartition {
                    partition_index: index as i32,
                    current_leader_epoch: -1,
                    timestamp,
                });
                let partitions = partitions.collect();
                let topics = vec![ListOffsetsTopic { name: &topic.name, partitions }];
                let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
                let done = broker.call::<ListOffsets, _>(version, &request, |answer| {
                    for found in answer.topics.iter().flat_map(|topic| &topic.partitions) {
                        check("ListOffsets", found.error_code)?;
                        if let Some(offset) = offsets.get_mut(found.partition_index as usize) {
                            *offset = found.offset;
                        }
                    }
                    io::Result::Ok(())
                })?;
                match done {
                    Ok(()) => break,
                    Err(error) if tries == 0 => return Err(error),
                    Err(_) => tries -= 1,
                }
                thread::sleep(PAUSE);
            }
        }
        Ok(offsets)
    }

    pub fn address(&self, node: i32) -> io::Result<&str> {
        let address = self.nodes.get(&node).map(String::as_str);
        address.ok_or_else(|| io::Error::other(format!("node {node} has no address")))
    }

    /// A connection for those who go on by themselves.
    pub fn stream(&self, address: &str) -> io::Result<TcpStream> {
        let stream = Broker::connect(address)?.into_stream();
        stream.set_nonblocking(true)?;
        Ok(stream)
    }

    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Who coordinates; waits until somebody does.
    pub fn coordinator(&mut self, key: &str, of: CoordinatorOf) -> io::Result<String> {
        let version = self.version::<FindCoordinator>(3)?;
        let request = FindCoordinatorRequest { key, key_type: of as i8, ..Default::default() };
        for _ in 0..TRIES {
            let (code, address) =
                self.broker.call::<FindCoordinator, _>(version, &request, |answer| {
                    (answer.error_code, format!("{}:{}", answer.host, answer.port))
                })?;
            match code {
                ErrorCode::COORDINATOR_NOT_AVAILABLE => thread::sleep(PAUSE),
                code => return check("FindCoordinator", code).map(|()| address),
            }
        }
        Err(io::Error::other(format!("nobody coordinates {key}")))
    }

    /// A producer's id and epoch, from the coordinator where it is transactional.
    pub fn producer_id(
        &mut self,
        transactional_id: Option<&str>,
        timeout_ms: i32,
    ) -> io::Result<(i64, i16)> {
        let version = self.version::<InitProducerId>(4)?;
        let address = match transactional_id {
            Some(id) => self.coordinator(id, CoordinatorOf::Transaction)?,
            None => self.bootstrap.clone(),
        };
        let mut broker = Broker::connect(&address)?;
        let request = InitProducerIdRequest {
            transactional_id,
            transaction_timeout_ms: timeout_ms,
            producer_id: -1,
            producer_epoch: -1,
        };
        for _ in 0..TRIES {
            let (code, id, epoch) =
                broker.call::<InitProducerId, _>(version, &request, |answer| {
                    (answer.error_code, answer.producer_id, answer.producer_epoch)
                })?;
            match code {
                ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
                | ErrorCode::COORDINATOR_NOT_AVAILABLE
                | ErrorCode::NOT_COORDINATOR
                | ErrorCode::CONCURRENT_TRANSACTIONS => thread::sleep(PAUSE),
                code => return check("InitProducerId", code).map(|()| (id, epoch)),
            }
        }
        Err(io::Error::other("no producer id is given"))
    }

    /// One record to partition 0, acknowledged; a single try.
    pub fn produce_one(&mut self, topic: &str) -> io::Result<()> {
        let version = self.version::<Produce>(11)?;
        let found = self.described(std::slice::from_ref(&topic.to_owned()))?;
        let leader = found.first().and_then(|topic| topic.leaders.first().copied());
        let leader = leader.ok_or_else(|| io::Error::other("a topic without partitions"))?;
        let mut broker = Broker::connect(self.address(leader)?)?;
        let mut builder = BatchBuilder::new(BatchFields::default());
        builder.push(clock::unix_ms(clock::now()), None, Some(b"ready?"), &[]);
        let records = builder.finish();
        let data = PartitionProduceData { index: 0, records: Some(&records) };
        let data =
            TopicProduceData { name: topic, partition_data: vec![data], ..Default::default() };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![data],
            ..Default::default()
        };
        broker.call::<Produce, _>(version, &request, |answer| {
            let mut parts = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
            parts.try_for_each(|part| check("Produce", part.error_code))
        })?
    }
}
