//! How a client finds its way: the brokers' addresses and the leader of each partition.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ringmain::model::TopicId;
use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopics, CreateTopicsRequest,
};
use ringmain::wire::messages::metadata::{
    Metadata, MetadataRequest, MetadataRequestTopic, MetadataResponsePartition,
};

use crate::caller::Caller;

/// Where to ask first.
#[derive(Clone, Copy)]
pub struct Guide {
    pub bootstrap: SocketAddr,
}

const PAUSE: Duration = Duration::from_millis(20);

impl Guide {
    /// Asks until it succeeds.
    pub async fn leader(&self, topic: &str, partition: i32) -> SocketAddr {
        loop {
            if let Ok(Some(address)) = self.try_leader(topic, partition).await {
                return address;
            }
            rt::sleep(PAUSE).await;
        }
    }

    /// A connection to a partition's leader; tries until it succeeds.
    pub async fn reach(&self, topic: &str, partition: i32) -> Caller {
        loop {
            let address = self.leader(topic, partition).await;
            if let Ok(caller) = Caller::connect(address).await {
                return caller;
            }
            rt::sleep(PAUSE).await;
        }
    }

    /// The same to whoever has it, leading or not.
    pub async fn reach_replica(&self, topic: &str, partition: i32) -> Caller {
        let of = |found: &MetadataResponsePartition| found.replica_nodes[0];
        loop {
            if let Ok(Some(address)) = self.try_broker(topic, partition, of).await
                && let Ok(caller) = Caller::connect(address).await
            {
                return caller;
            }
            rt::sleep(PAUSE).await;
        }
    }

    /// What is told of a topic's partitions; asks until it is told.
    pub async fn partitions(&self, topic: &str) -> Vec<MetadataResponsePartition> {
        let wanted = MetadataRequestTopic { name: Some(topic), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![wanted]), ..Default::default() };
        loop {
            if let Ok(mut caller) = Caller::connect(self.bootstrap).await {
                let told = caller
                    .call::<Metadata, _>(12, &request, |answer| answer.topics[0].partitions.clone())
                    .await;
                if let Ok(mut told) = told {
                    told.sort_by_key(|partition| partition.partition_index);
                    return told;
                }
            }
            rt::sleep(PAUSE).await;
        }
    }

    async fn try_leader(&self, topic: &str, partition: i32) -> io::Result<Option<SocketAddr>> {
        self.try_broker(topic, partition, |found| found.leader_id).await
    }

    async fn try_broker(
        &self,
        topic: &str,
        partition: i32,
        of: impl Fn(&MetadataResponsePartition) -> i32,
    ) -> io::Result<Option<SocketAddr>> {
        let mut caller = Caller::connect(self.bootstrap).await?;
        let wanted = MetadataRequestTopic { name: Some(topic), ..Default::default() };
        let request = MetadataRequest {
            topics: Some(vec![wanted]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        caller
            .call::<Metadata, _>(9, &request, |answer| {
                let topic = answer.topics.iter().find(|found| found.name == Some(topic))?;
                let mut partitions = topic.partitions.iter();
                let found = partitions.find(|found| found.partition_index == partition)?;
                let broker = answer.brokers.iter().find(|b| b.node_id == of(found))?;
                let ip: IpAddr = broker.host.parse().ok()?;
                Some(SocketAddr::new(ip, u16::try_from(broker.port).ok()?))
            })
            .await
    }

    /// All topics; asks until it succeeds.
    pub async fn topics(&self) -> BTreeMap<String, TopicId> {
        loop {
            if let Ok(mut caller) = Caller::connect(self.bootstrap).await {
                let names = caller
                    .call::<Metadata, _>(12, &MetadataRequest::default(), |answer| {
                        let topics = answer.topics.iter();
                        topics.filter_map(|t| Some((t.name?.to_owned(), t.topic_id))).collect()
                    })
                    .await;
                if let Ok(names) = names {
                    return names;
                }
            }
            rt::sleep(PAUSE).await;
        }
    }

    /// Returns when the topic is said to exist.
    pub async fn create(&self, name: &str, partitions: i32, configs: &[(String, String)]) {
        loop {
            match self.try_create(name, partitions, configs).await {
                Ok(ErrorCode::NONE | ErrorCode::TOPIC_ALREADY_EXISTS) => return,
                Ok(error) => assert!(is_passing(error), "creating {name}: {error:?}"),
                Err(error) => assert_ne!(error.kind(), io::ErrorKind::InvalidData, "{error}"),
            }
            rt::sleep(PAUSE).await;
        }
    }

    async fn try_create(
        &self,
        name: &str,
        partitions: i32,
        configs: &[(String, String)],
    ) -> io::Result<ErrorCode> {
        let mut caller = Caller::connect(self.bootstrap).await?;
        let configs = configs.iter();
        let configs =
            configs.map(|(name, value)| CreatableTopicConfig { name, value: Some(value) });
        let topic = CreatableTopic {
            name,
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.collect(),
            ..Default::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
        caller.call::<CreateTopics, _>(5, &request, |answer| answer.topics[0].error_code).await
    }
}

/// Errors that a client waits out.
pub fn is_passing(error: ErrorCode) -> bool {
    [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::LEADER_NOT_AVAILABLE,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::REQUEST_TIMED_OUT,
        ErrorCode::NOT_CONTROLLER,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
    ]
    .contains(&error)
}
