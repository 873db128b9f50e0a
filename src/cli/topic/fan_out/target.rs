//! The topic that a fan-out writes to: found, or made with the source's settings.

use std::collections::BTreeMap;

use super::begin::check_new;
use super::load::batch_bytes;
use crate::cli::failure::Failure;
use crate::cli::topic::{accepted, missing};
use crate::cli::units;
use crate::client::{Cluster, Topic};
use crate::config::limits;
use crate::model::ErrorCode;
use crate::wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopics, CreateTopicsRequest,
};
use crate::wire::messages::describe_configs::{
    DescribeConfigs, DescribeConfigsRequest, DescribeConfigsResource,
};

/// The kind of resource that is a topic (KIP-339), and where its own settings come from (KIP-226).
const TOPIC: i8 = 2;
const FROM_TOPIC: i8 = 1;

const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
const TIMESTAMP_TYPE: &str = "message.timestamp.type";

pub struct Target {
    /// Bytes of a batch before compression.
    pub batch_bytes: usize,
    /// It stamps records itself, so that their times are not kept.
    pub stamps: bool,
    /// Made just now.
    pub is_new: bool,
}

/// Finds it, or makes it with so many partitions.
pub async fn open(
    cluster: &Cluster,
    source: (&str, &Topic),
    name: &str,
    partitions: Option<i32>,
) -> Result<Target, Failure> {
    let found = cluster.topic(name, false).await;
    let code = found.as_ref().err().and_then(|error| error.code());
    let is_new = code == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    if is_new {
        let Some(count) = partitions else {
            return Err(Failure::Told(format!(
                "there is no topic {name} yet: --partitions N makes it with the settings of {}",
                source.0
            )));
        };
        check_new(cluster, source.0, name).await?;
        create(cluster, source, name, count).await?;
    } else {
        let there = found?.partitions.len();
        if let Some(wanted) = partitions.filter(|&wanted| wanted as usize != there) {
            let there = units::counted(there as u64, "partition");
            return Err(Failure::Told(format!(
                "topic {name} has {there}, not {wanted}: leave --partitions out to take it as it is"
            )));
        }
    }
    let settings = settings(cluster, name).await?;
    let number = settings.get(MAX_MESSAGE_BYTES).and_then(|(value, _)| value.parse().ok());
    let stamps = settings.get(TIMESTAMP_TYPE).is_some_and(|(value, _)| value == "LogAppendTime");
    let most: usize = number.unwrap_or(limits::BATCH_BYTES_MAX);
    Ok(Target { batch_bytes: batch_bytes(most), stamps, is_new })
}

async fn create(
    cluster: &Cluster,
    source: (&str, &Topic),
    name: &str,
    count: i32,
) -> Result<(), Failure> {
    let settings = settings(cluster, source.0).await?;
    let own = settings.iter().filter(|(_, (_, from))| *from == FROM_TOPIC);
    let replicas = source.1.partitions.iter().map(|partition| partition.replicas.len()).max();
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name,
            num_partitions: count,
            replication_factor: i16::try_from(replicas.unwrap_or(1)).unwrap_or(1),
            assignments: Vec::new(),
            configs: own
                .map(|(name, (value, _))| CreatableTopicConfig { name, value: Some(value) })
                .collect(),
        }],
        timeout_ms: cluster.options().request_timeout.as_millis() as i32,
        validate_only: false,
    };
    let answer = cluster.call::<CreateTopics>(&request).await?;
    let response = answer.decode()?;
    let result = response.topics.first();
    let result = result.ok_or("the broker answered without a word on the topic")?;
    accepted(name, result.error_code, result.error_message)?;
    // Where it was made is not yet where it is asked for.
    cluster.retry(async || cluster.topic(name, false).await).await?;
    Ok(())
}

/// A topic's settings, and where their values come from.
async fn settings(
    cluster: &Cluster,
    name: &str,
) -> Result<BTreeMap<String, (String, i8)>, Failure> {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: TOPIC,
            resource_name: name,
            configuration_keys: None,
        }],
        ..Default::default()
    };
    let answer = cluster.call::<DescribeConfigs>(&request).await?;
    let response = answer.decode()?;
    let result = response.results.first();
    let result = result.ok_or("the broker answered without a word on the topic")?;
    if result.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
        return Err(missing(name));
    }
    accepted(name, result.error_code, result.error_message)?;
    let configs = result.configs.iter();
    let known = configs
        .filter_map(|one| Some((one.name.to_owned(), (one.value?.to_owned(), one.config_source))));
    Ok(known.collect())
}
