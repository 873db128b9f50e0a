//! CreateTopics, and the creation of topics that somebody merely asked about.

use super::replicas::{Assignment, assigned, placed};
use super::{Refusal, check_config_bytes, repeated};
use crate::base::prng::Prng;
use crate::cluster::placement::Loads;
use crate::cluster::{ClusterImage, Command, Replica};
use crate::config::limits::{
    PARTITIONS_CREATED_PER_REQUEST_MAX, PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX,
    REPLICAS_PER_PARTITION_MAX,
};
use crate::config::{BrokerConfig, BrokerSettings, Overrides, TopicConfig};
use crate::model::{ErrorCode, PartitionId, TopicId, topic_name};

/// A topic as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    pub name: String,
    /// -1: the broker's default.
    pub partitions: i32,
    /// -1: the broker's default.
    pub replication_factor: i16,
    /// Partition numbers and their brokers; when there are any, the two above must be -1.
    pub assignments: Vec<(i32, Assignment)>,
    pub configs: Vec<(String, Option<String>)>,
}

impl NewTopic {
    /// With the broker's defaults for everything.
    pub fn named(name: impl Into<String>) -> NewTopic {
        NewTopic {
            name: name.into(),
            partitions: -1,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
        }
    }
}

/// A topic as it will be. Who only validates drops the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    pub command: Command,
    pub id: TopicId,
    pub partitions: i32,
    pub replication_factor: i16,
    /// What the topic sets itself.
    pub configs: Overrides,
}

/// Decides on each topic, in order; the answers stand in the same order.
pub fn create_topics(
    image: &ClusterImage,
    settings: &BrokerSettings,
    requested: &[NewTopic],
    random: &mut Prng,
) -> Vec<Result<CreatedTopic, Refusal>> {
    let names: Vec<&str> = requested.iter().map(|topic| topic.name.as_str()).collect();
    let repeated = repeated(&names);
    let mut request = Request {
        // Later topics must see earlier ones: their names, and what their partitions weigh.
        image: image.clone(),
        loads: Loads::of(image),
        settings,
        broker: BrokerConfig::resolve(settings),
        partitions_left: PARTITIONS_CREATED_PER_REQUEST_MAX,
    };
    let decide = |topic: &NewTopic| {
        if repeated.contains(&topic.name.as_str()) {
            let message = format!("the request names topic {} more than once", topic.name);
            return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
        }
        let created = request.decide(topic, random)?;
        request.image.apply(&created.command);
        request.partitions_left -= created.partitions as usize;
        Ok(created)
    };
    requested.iter().map(decide).collect()
}

struct Request<'a> {
    image: ClusterImage,
    loads: Loads,
    settings: &'a BrokerSettings,
    broker: BrokerConfig,
    partitions_left: usize,
}

impl Request<'_> {
    fn decide(&mut self, topic: &NewTopic, random: &mut Prng) -> Result<CreatedTopic, Refusal> {
        self.check_name(&topic.name)?;
        let configs = self.configs(&topic.configs)?;
        let id = loop {
            let id = TopicId::random(random);
            if self.image.topic_by_id(id).is_none() {
                break id;
            }
        };
        let loads = self.loads.clone();
        let partitions = match topic.assignments.is_empty() {
            true => self.place(id, topic.partitions, topic.replication_factor),
            false => self.assign(id, topic),
        };
        // A refused topic weighs nothing.
        let partitions = partitions.inspect_err(|_| self.loads = loads)?;
        let name = topic.name.clone();
        Ok(CreatedTopic {
            id,
            partitions: partitions.len() as i32,
            replication_factor: partitions[0].len() as i16,
            configs: configs.clone(),
            command: Command::CreateTopic { name, id, partitions, configs },
        })
    }

    fn check_name(&self, name: &str) -> Result<(), Refusal> {
        topic_name::validate(name)
            .map_err(|fault| Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, fault.to_string()))?;
        if name == topic_name::CLUSTER_METADATA {
            // Its directory would be taken for Kafka's.
            let message = format!("{name} is the name of Kafka's own metadata");
            return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
        }
        if self.image.topic(name).is_some() {
            let message = format!("topic {name} exists");
            return Err(Refusal::new(ErrorCode::TOPIC_ALREADY_EXISTS, message));
        }
        if let Some(other) = self.image.colliding_topic(name) {
            let message = format!(
                "topic {name} collides with {other}: names must not differ in '.' and '_' alone"
            );
            return Err(Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message));
        }
        Ok(())
    }

    fn configs(&self, given: &[(String, Option<String>)]) -> Result<Overrides, Refusal> {
        let mut configs = Overrides::new();
        for (key, value) in given {
            let Some(value) = value else {
                let message = format!("{key} has no value");
                return Err(Refusal::new(ErrorCode::INVALID_CONFIG, message));
            };
            configs.insert(key.clone(), value.clone());
        }
        TopicConfig::validate(&configs, self.settings)?;
        check_config_bytes(&self.image, &configs)?;
        Ok(configs)
    }

    fn place(
        &mut self,
        id: TopicId,
        partitions: i32,
        factor: i16,
    ) -> Result<Vec<Vec<Replica>>, Refusal> {
        let partitions = if partitions == -1 { self.broker.num_partitions } else { partitions };
        let factor = match factor {
            -1 => self.broker.default_replication_factor,
            factor => i32::from(factor),
        };
        let factor = usize::try_from(factor).ok();
        let factor = factor.filter(|factor| (1..=REPLICAS_PER_PARTITION_MAX).contains(factor));
        let Some(factor) = factor else {
            return Err(Refusal::new(
                ErrorCode::INVALID_REPLICATION_FACTOR,
                format!(
                    "a replication factor is from 1 to {REPLICAS_PER_PARTITION_MAX}, or -1 for the \
                     broker's default"
                ),
            ));
        };
        if partitions < 1 {
            return Err(Refusal::new(
                ErrorCode::INVALID_PARTITIONS,
                "a topic has at least one partition, or -1 for the broker's default",
            ));
        }
        self.check_room(partitions as usize)?;
        let place = |number| placed(&mut self.loads, id, PartitionId(number), factor);
        (0..partitions).map(place).collect()
    }

    fn assign(&mut self, id: TopicId, topic: &NewTopic) -> Result<Vec<Vec<Replica>>, Refusal> {
        let refuse = |code, message: &str| Err(Refusal::new(code, message));
        if topic.replication_factor != -1 {
            let message = "the replication factor must be -1 where replicas are assigned";
            return refuse(ErrorCode::INVALID_REQUEST, message);
        }
        if topic.partitions != -1 {
            let message = "the number of partitions must be -1 where replicas are assigned";
            return refuse(ErrorCode::INVALID_REQUEST, message);
        }
        self.check_room(topic.assignments.len())?;
        let mut assignments: Vec<&(i32, Assignment)> = topic.assignments.iter().collect();
        assignments.sort_by_key(|(number, _)| *number);
        let mut partitions: Vec<Vec<Replica>> = Vec::with_capacity(assignments.len());
        for (expected, (number, brokers)) in (0..).zip(assignments) {
            if *number != expected {
                let message = "assigned partitions are numbered from 0 on, each once";
                return refuse(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
            }
            if partitions.first().is_some_and(|first| first.len() != brokers.len()) {
                let message = "every partition must have as many replicas as the first";
                return refuse(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
            }
            let partition = PartitionId(*number);
            partitions.push(assigned(&self.image, &mut self.loads, id, partition, brokers)?);
        }
        Ok(partitions)
    }

    fn check_room(&self, partitions: usize) -> Result<(), Refusal> {
        check_room(&self.image, partitions, self.partitions_left)?;
        if partitions > PARTITIONS_PER_TOPIC_MAX {
            let message = format!(
                "{partitions} partitions are more than the {PARTITIONS_PER_TOPIC_MAX} of a topic"
            );
            return Err(Refusal::new(ErrorCode::INVALID_PARTITIONS, message));
        }
        Ok(())
    }
}

/// Whether the request and the cluster can bear this many more partitions.
pub(super) fn check_room(
    image: &ClusterImage,
    partitions: usize,
    left: usize,
) -> Result<(), Refusal> {
    if partitions > left {
        let message = format!(
            "a request may make {PARTITIONS_CREATED_PER_REQUEST_MAX} partitions, this one asks for \
             more"
        );
        return Err(Refusal::new(ErrorCode::POLICY_VIOLATION, message));
    }
    if image.partition_count() + partitions > PARTITIONS_MAX {
        let message = format!("the cluster may have {PARTITIONS_MAX} partitions, no more");
        return Err(Refusal::new(ErrorCode::POLICY_VIOLATION, message));
    }
    Ok(())
}
