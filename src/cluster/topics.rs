//! The topics of an image by name, by id, and by what their names collide in; and what they weigh.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Topic;
use super::shared_map::SharedMap;
use crate::model::{CoreId, NodeId, TopicId, topic_name};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Topics {
    by_name: SharedMap<Arc<str>, Arc<Topic>>,
    names: SharedMap<TopicId, Arc<str>>,
    /// Collision keys, each with its name; only of names that hold a character which collides.
    collisions: SharedMap<(Arc<str>, Arc<str>), ()>,
    partitions: usize,
    config_bytes: usize,
    /// Replicas that each core of each host owns; cores without any are not there.
    loads: Arc<BTreeMap<(NodeId, CoreId), usize>>,
}

impl Topics {
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Partitions of all topics.
    pub fn partitions(&self) -> usize {
        self.partitions
    }

    /// Bytes of what all topics set.
    pub fn config_bytes(&self) -> usize {
        self.config_bytes
    }

    /// Replicas that a core of a host owns.
    pub fn load(&self, node: NodeId, core: CoreId) -> usize {
        self.loads.get(&(node, core)).copied().unwrap_or(0)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.iter().map(|(_, topic)| topic)
    }

    /// Topics from this name on.
    pub fn from(&self, name: &str) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.from(name).map(|(_, topic)| topic)
    }

    pub fn by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    pub fn by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_name(self.names.get(&id)?)
    }

    /// A topic whose name differs from this one only in '.' against '_'.
    pub fn colliding(&self, name: &str) -> Option<&Arc<str>> {
        let first = (topic_name::collision_key(name).into(), "".into());
        let same_key = self.collisions.from(&first).take_while(|((key, _), _)| *key == first.0);
        same_key.map(|((_, other), _)| other).find(|other| ***other != *name)
    }

    /// False when the name or the id is taken.
    pub fn insert(&mut self, topic: Topic) -> bool {
        if self.by_name(&topic.name).is_some() || self.names.get(&topic.id).is_some() {
            return false;
        }
        let name = topic.name.clone();
        self.weigh(&topic);
        self.names.insert(topic.id, name.clone());
        if let Some(collision) = collision(&name) {
            self.collisions.insert(collision, ());
        }
        self.by_name.insert(name, Arc::new(topic));
        true
    }

    pub fn remove(&mut self, id: TopicId) -> Option<Arc<Topic>> {
        let name = self.names.remove(&id)?;
        let topic = self.by_name.remove(&name)?;
        if let Some(collision) = collision(&name) {
            self.collisions.remove(&collision);
        }
        self.unweigh(&topic);
        Some(topic)
    }

    /// Lets `change` at the topic, whose name and id must stay; what it returns comes back.
    pub fn change<T>(&mut self, id: TopicId, change: impl FnOnce(&mut Topic) -> T) -> Option<T> {
        let before = self.by_id(id)?.clone();
        let mut topic = (*before).clone();
        let result = change(&mut topic);
        assert_eq!((topic.id, &topic.name), (id, &before.name), "a topic keeps its name and id");
        self.unweigh(&before);
        self.weigh(&topic);
        *self.by_name.get_mut(&before.name)? = Arc::new(topic);
        Some(result)
    }

    fn weigh(&mut self, topic: &Topic) {
        self.partitions += topic.partitions.len();
        self.config_bytes += super::image::bytes_of(&topic.configs);
        let loads = Arc::make_mut(&mut self.loads);
        for replica in topic.partitions.iter().flat_map(|partition| &partition.replicas) {
            *loads.entry((replica.node, replica.core)).or_default() += 1;
        }
    }

    fn unweigh(&mut self, topic: &Topic) {
        self.partitions -= topic.partitions.len();
        self.config_bytes -= super::image::bytes_of(&topic.configs);
        let loads = Arc::make_mut(&mut self.loads);
        for replica in topic.partitions.iter().flat_map(|partition| &partition.replicas) {
            let load = loads.get_mut(&(replica.node, replica.core)).expect("it was weighed");
            *load -= 1;
            if *load == 0 {
                loads.remove(&(replica.node, replica.core));
            }
        }
    }
}

fn collision(name: &Arc<str>) -> Option<(Arc<str>, Arc<str>)> {
    let collides = name.contains(['.', '_']);
    collides.then(|| (topic_name::collision_key(name).into(), name.clone()))
}
