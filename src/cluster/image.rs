//! Everything the cluster knows about itself, at one index of its journal.
//!
//! Cheap to clone: whatever is large is shared until it changes. `apply` is the only thing that
//! changes an image. It is total: a command that does not fit the image (a topic which is gone, a
//! name which is taken) changes nothing but the index, everywhere alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use rkyv::{Archive, Deserialize, Serialize};

use super::topics::Topics;
use super::{Change, Command, Delta, lanes};
use crate::config::{BrokerSettings, Overrides};
use crate::model::{
    BrokerId, ClusterId, CoreId, DirectoryId, LeaderEpoch, NodeId, PartitionId, TopicId, topic_name,
};

/// What clients take for a broker.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Lane {
    pub broker: BrokerId,
    pub host: String,
    pub port: u16,
}

/// A host. Core c belongs to lane c modulo the number of lanes.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Node {
    pub id: NodeId,
    pub rack: Option<String>,
    pub cores: u16,
    /// At least one and at most as many as cores, in order of their broker ids.
    pub lanes: Vec<Lane>,
}

/// One copy of a partition: its host, and the core that owns it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Replica {
    pub node: NodeId,
    pub core: CoreId,
}

#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Partition {
    /// The preferred leader first; no host twice.
    pub replicas: Vec<Replica>,
    pub isr: Vec<NodeId>,
    pub leader: NodeId,
    pub leader_epoch: LeaderEpoch,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: Arc<str>,
    pub id: TopicId,
    /// What the topic sets itself.
    pub configs: Overrides,
    /// By number.
    pub partitions: Vec<Partition>,
    /// Of each host, by the partition's number: the data directory that holds it there. Those at the
    /// end that nobody has chosen yet are not there.
    pub directories: BTreeMap<NodeId, Vec<DirectoryId>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterImage {
    /// Nil until the cluster is formatted.
    pub(super) cluster_id: ClusterId,
    pub(super) nodes: Arc<BTreeMap<NodeId, Node>>,
    pub(super) topics: Topics,
    /// What is set online for all brokers, and for each host.
    pub(super) cluster_configs: Arc<Overrides>,
    pub(super) node_configs: Arc<BTreeMap<NodeId, Overrides>>,
    /// What is set for single consumer groups.
    pub(super) group_configs: Arc<BTreeMap<String, Overrides>>,
    pub(super) next_producer_id: i64,
    pub(super) applied: u64,
}

impl Partition {
    fn new(replicas: Vec<Replica>) -> Partition {
        let isr: Vec<NodeId> = replicas.iter().map(|replica| replica.node).collect();
        Partition { leader: isr[0], isr, replicas, leader_epoch: LeaderEpoch(0) }
    }

    /// The core that owns the partition on this host.
    pub fn core_on(&self, node: NodeId) -> Option<CoreId> {
        self.replicas.iter().find(|replica| replica.node == node).map(|replica| replica.core)
    }
}

impl Topic {
    pub fn partition(&self, partition: PartitionId) -> Option<&Partition> {
        self.partitions.get(partition.index()?)
    }

    /// The data directory that holds a partition on a host; nil while none was chosen.
    pub fn directory(&self, node: NodeId, partition: PartitionId) -> DirectoryId {
        let held = || self.directories.get(&node)?.get(partition.index()?).copied();
        held().unwrap_or(DirectoryId::NIL)
    }
}

impl Node {
    /// The lane to which a core belongs.
    pub fn lane_of(&self, core: CoreId) -> &Lane {
        let lane = lanes::lane_of(core, self.lanes.len());
        &self.lanes[usize::from(lane.0)]
    }
}

impl ClusterImage {
    pub fn cluster_id(&self) -> ClusterId {
        self.cluster_id
    }

    pub fn is_formatted(&self) -> bool {
        !self.cluster_id.is_nil()
    }

    /// The index of the last command in this image; the first one's is 1.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// Every lane of every host, by broker id.
    pub fn brokers(&self) -> impl Iterator<Item = (&Node, &Lane)> {
        self.nodes().flat_map(|node| node.lanes.iter().map(move |lane| (node, lane)))
    }

    pub fn broker(&self, id: BrokerId) -> Option<(&Node, &Lane)> {
        let node = self.node(lanes::node_of(id))?;
        Some((node, node.lanes.iter().find(|lane| lane.broker == id)?))
    }

    /// By name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.iter()
    }

    /// By name, from this name on.
    pub fn topics_from(&self, name: &str) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.from(name)
    }

    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Partitions of all topics.
    pub fn partition_count(&self) -> usize {
        self.topics.partitions()
    }

    /// Replicas that a core of a host owns.
    pub fn load(&self, node: NodeId, core: CoreId) -> usize {
        self.topics.load(node, core)
    }

    /// Bytes of what all topics and brokers set, which the controller bounds.
    pub fn config_bytes(&self) -> usize {
        let nodes: usize = self.node_configs.values().map(bytes_of).sum();
        let group = |(name, configs): (&String, &Overrides)| name.len() + bytes_of(configs);
        let groups: usize = self.group_configs.iter().map(group).sum();
        self.topics.config_bytes() + bytes_of(&self.cluster_configs) + nodes + groups
    }

    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.by_name(name)
    }

    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.topics.by_id(id)
    }

    /// The topic whose name differs from this one only in '.' against '_'.
    pub fn colliding_topic(&self, name: &str) -> Option<&str> {
        self.topics.colliding(name).map(|name| &**name)
    }

    /// The lane through which clients reach the partition's leader; `None` while its host is not
    /// registered.
    pub fn leader_broker(&self, partition: &Partition) -> Option<BrokerId> {
        self.broker_on(partition, partition.leader)
    }

    /// The lane through which clients reach the partition on one of its hosts.
    pub fn broker_on(&self, partition: &Partition, node: NodeId) -> Option<BrokerId> {
        Some(self.node(node)?.lane_of(partition.core_on(node)?).broker)
    }

    /// Replicas as clients know them, in order.
    pub fn replica_brokers(&self, partition: &Partition) -> Vec<BrokerId> {
        let nodes = partition.replicas.iter().map(|replica| replica.node);
        nodes.filter_map(|node| self.broker_on(partition, node)).collect()
    }

    /// Replicas in sync as clients know them.
    pub fn isr_brokers(&self, partition: &Partition) -> Vec<BrokerId> {
        partition.isr.iter().filter_map(|&node| self.broker_on(partition, node)).collect()
    }

    /// The settings of a host which was started with `fixed`.
    pub fn settings(&self, node: NodeId, fixed: Overrides) -> BrokerSettings {
        BrokerSettings {
            broker: self.node_configs(node).clone(),
            cluster: (*self.cluster_configs).clone(),
            fixed,
        }
    }

    /// What is set online for one host.
    pub fn node_configs(&self, node: NodeId) -> &Overrides {
        const NONE: &Overrides = &Overrides::new();
        self.node_configs.get(&node).unwrap_or(NONE)
    }

    /// What is set online for every host.
    pub fn cluster_configs(&self) -> &Overrides {
        &self.cluster_configs
    }

    /// What is set for one consumer group, if anything is.
    pub fn group_configs(&self, group: &str) -> Option<&Overrides> {
        self.group_configs.get(group)
    }

    /// Groups for which something is set, by name.
    pub fn groups_with_configs(&self) -> impl Iterator<Item = &str> {
        self.group_configs.keys().map(String::as_str)
    }

    /// Takes the next command and tells what it changed.
    pub fn apply(&mut self, command: &Command) -> Delta {
        self.applied += 1;
        Delta::from(self.change(command))
    }

    fn change(&mut self, command: &Command) -> Option<Change> {
        match command {
            Command::FormatCluster { id } => {
                if self.is_formatted() || id.is_nil() {
                    return None;
                }
                self.cluster_id = *id;
                Some(Change::ClusterFormatted)
            }
            Command::RegisterNode(node) => {
                let fits = !node.lanes.is_empty() && node.lanes.len() <= usize::from(node.cores);
                if !fits || self.node(node.id) == Some(node) {
                    return None;
                }
                Arc::make_mut(&mut self.nodes).insert(node.id, node.clone());
                Some(Change::NodeRegistered(node.id))
            }
            Command::CreateTopic { name, id, partitions, configs } => {
                let fits = topic_name::validate(name).is_ok()
                    && !id.is_nil()
                    && !partitions.is_empty()
                    && partitions.iter().all(|replicas| well_formed(replicas));
                let topic = || Topic {
                    name: name.as_str().into(),
                    id: *id,
                    configs: configs.clone(),
                    partitions: partitions.iter().cloned().map(Partition::new).collect(),
                    directories: BTreeMap::new(),
                };
                let created = fits && self.topics.insert(topic());
                created.then_some(Change::TopicCreated(*id))
            }
            Command::DeleteTopic { id } => self.topics.remove(*id).map(Change::TopicDeleted),
            Command::AddPartitions { id, first, partitions } => {
                let topic = self.topics.by_id(*id)?;
                let fits = first.index() == Some(topic.partitions.len())
                    && !partitions.is_empty()
                    && partitions.iter().all(|replicas| well_formed(replicas));
                if !fits {
                    return None;
                }
                self.topics.change(*id, |topic| {
                    topic.partitions.extend(partitions.iter().cloned().map(Partition::new));
                })?;
                Some(Change::PartitionsAdded { id: *id, first: *first })
            }
            Command::SetTopicConfigs { id, configs } => {
                if self.topics.by_id(*id)?.configs == *configs {
                    return None;
                }
                self.topics.change(*id, |topic| topic.configs = configs.clone())?;
                Some(Change::TopicConfigsChanged(*id))
            }
            Command::SetBrokerConfigs { node, configs } => {
                let present = node.map_or(self.cluster_configs(), |node| self.node_configs(node));
                if present == configs {
                    return None;
                }
                match node {
                    None => self.cluster_configs = Arc::new(configs.clone()),
                    Some(node) if configs.is_empty() => {
                        Arc::make_mut(&mut self.node_configs).remove(node);
                    }
                    Some(node) => {
                        Arc::make_mut(&mut self.node_configs).insert(*node, configs.clone());
                    }
                }
                Some(Change::BrokerConfigsChanged(*node))
            }
            Command::SetGroupConfigs { group, configs } => {
                if self.group_configs(group).unwrap_or(const { &Overrides::new() }) == configs {
                    return None;
                }
                let known = Arc::make_mut(&mut self.group_configs);
                match configs.is_empty() {
                    true => known.remove(group),
                    false => known.insert(group.clone(), configs.clone()),
                };
                Some(Change::GroupConfigsChanged(group.clone()))
            }
            &Command::AllocateProducerIds { node, first, count } => {
                let next = first.checked_add(i64::from(count))?;
                if first < self.next_producer_id || count <= 0 {
                    return None;
                }
                self.next_producer_id = next;
                Some(Change::ProducerIdsAllocated { node, first, count })
            }
            &Command::PlacePartition { id, partition, node, core, leader_epoch } => {
                let present = self.topics.by_id(id)?.partition(partition)?;
                let from = present.core_on(node)?;
                let changes = from != core || leader_epoch != present.leader_epoch;
                if !changes || leader_epoch < present.leader_epoch {
                    return None;
                }
                self.topics.change(id, |topic| {
                    let partition = &mut topic.partitions[partition.0 as usize];
                    partition.leader_epoch = leader_epoch;
                    for replica in &mut partition.replicas {
                        if replica.node == node {
                            replica.core = core;
                        }
                    }
                })?;
                Some(Change::PartitionPlaced { id, partition, node, from, to: core })
            }
            Command::AssignDirectories { id, node, first, directories } => {
                let (id, node, first) = (*id, *node, *first);
                let topic = self.topics.by_id(id)?;
                let range = first.index()?..first.index()?.checked_add(directories.len())?;
                let fits = !directories.is_empty() && range.end <= topic.partitions.len();
                let present = (first.0..).map(|at| topic.directory(node, PartitionId(at)));
                if !fits || present.zip(directories).all(|(is, shall)| is == *shall) {
                    return None;
                }
                self.topics.change(id, |topic| {
                    let held = topic.directories.entry(node).or_default();
                    held.resize(held.len().max(range.end), DirectoryId::NIL);
                    held[range].copy_from_slice(directories);
                })?;
                Some(Change::DirectoriesAssigned { id, node, first })
            }
        }
    }
}

pub(super) fn bytes_of(configs: &Overrides) -> usize {
    configs.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// At least one replica, and no host twice.
pub(super) fn well_formed(replicas: &[Replica]) -> bool {
    let twice = |(at, replica): (usize, &Replica)| {
        replicas[..at].iter().any(|other| other.node == replica.node)
    };
    !replicas.is_empty() && !replicas.iter().enumerate().any(twice)
}
