//! Where partitions live, as this core sees it: a flat view of the cluster image for the data path,
//! with the partitions that are at home here. Renewed with every image.

use std::rc::Rc;

use super::partition::Partition;
use crate::base::hash::FastMap;
use crate::model::ids::{PartitionId, TopicId};

pub struct TopicPlace {
    pub id: TopicId,
    pub name: Rc<str>,
    pub internal: bool,
    /// Whether cleanup.policy names delete (or nothing).
    pub deletes: bool,
    /// Kafka: min.insync.replicas, and no more than there are replicas (as Kafka takes it).
    pub insync_min: i32,
    pub partitions: Vec<PartitionPlace>,
}

pub struct PartitionPlace {
    /// The owning core of this host.
    pub core: usize,
    pub epoch: i32,
    /// The partition itself, when it lives here and is open.
    pub here: Option<Rc<Partition>>,
}

impl TopicPlace {
    pub fn partition(&self, index: i32) -> Option<&PartitionPlace> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}

#[derive(Default)]
pub struct Placement {
    by_name: FastMap<Rc<str>, Rc<TopicPlace>>,
    by_id: FastMap<TopicId, Rc<TopicPlace>>,
}

impl Placement {
    pub fn insert(&mut self, topic: TopicPlace) {
        let topic = Rc::new(topic);
        self.by_name.insert(topic.name.clone(), topic.clone());
        self.by_id.insert(topic.id, topic);
    }

    pub fn remove(&mut self, id: TopicId) -> Option<Rc<TopicPlace>> {
        let topic = self.by_id.remove(&id)?;
        self.by_name.remove(&topic.name)
    }

    pub fn by_name(&self, name: &str) -> Option<&Rc<TopicPlace>> {
        self.by_name.get(name)
    }

    pub fn by_id(&self, id: TopicId) -> Option<&Rc<TopicPlace>> {
        self.by_id.get(&id)
    }

    pub fn here(&self, topic: TopicId, partition: PartitionId) -> Option<&Rc<Partition>> {
        self.by_id(topic)?.partition(partition.0)?.here.as_ref()
    }

    pub fn topics(&self) -> impl Iterator<Item = &Rc<TopicPlace>> {
        self.by_id.values()
    }
}
