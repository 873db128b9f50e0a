//! The topics of an image by name, by id, and by what their names collide in.
//!
//! Cloning copies a pointer; the first change of a clone copies the maps, whose values are
//! pointers again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Topic;
use crate::model::{TopicId, topic_name};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Topics(Arc<Maps>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Maps {
    by_name: BTreeMap<Arc<str>, Arc<Topic>>,
    names: BTreeMap<TopicId, Arc<str>>,
    /// Collision keys, each with its name; only of names that hold a character which collides.
    collision_keys: BTreeSet<(String, Arc<str>)>,
    partitions: usize,
}

impl Topics {
    pub fn len(&self) -> usize {
        self.0.by_name.len()
    }

    /// Partitions of all topics.
    pub fn partitions(&self) -> usize {
        self.0.partitions
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.0.by_name.values()
    }

    pub fn by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.0.by_name.get(name)
    }

    pub fn by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_name(self.0.names.get(&id)?)
    }

    /// The topic which a topic of this name would collide with.
    pub fn colliding(&self, name: &str) -> Option<&Arc<str>> {
        let key = topic_name::collision_key(name);
        let first = (key.clone(), Arc::from(""));
        let (found, name) = self.0.collision_keys.range(first..).next()?;
        (*found == key).then_some(name)
    }

    /// False when the name or the id is taken.
    pub fn insert(&mut self, topic: Topic) -> bool {
        if self.by_name(&topic.name).is_some() || self.0.names.contains_key(&topic.id) {
            return false;
        }
        let maps = Arc::make_mut(&mut self.0);
        let name = topic.name.clone();
        maps.partitions += topic.partitions.len();
        maps.names.insert(topic.id, name.clone());
        if name.contains(['.', '_']) {
            maps.collision_keys.insert((topic_name::collision_key(&name), name.clone()));
        }
        maps.by_name.insert(name, Arc::new(topic));
        true
    }

    pub fn remove(&mut self, id: TopicId) -> Option<Arc<Topic>> {
        self.by_id(id)?;
        let maps = Arc::make_mut(&mut self.0);
        let name = maps.names.remove(&id)?;
        let topic = maps.by_name.remove(&name)?;
        maps.collision_keys.remove(&(topic_name::collision_key(&name), name));
        maps.partitions -= topic.partitions.len();
        Some(topic)
    }

    /// Lets `change` at the topic, whose name and id must stay; what it returns comes back.
    pub fn change<T>(&mut self, id: TopicId, change: impl FnOnce(&mut Topic) -> T) -> Option<T> {
        let name = self.by_id(id)?.name.clone();
        let maps = Arc::make_mut(&mut self.0);
        let topic = Arc::make_mut(maps.by_name.get_mut(&name)?);
        maps.partitions -= topic.partitions.len();
        let result = change(topic);
        maps.partitions += topic.partitions.len();
        assert_eq!((topic.id, &topic.name), (id, &name), "a topic keeps its name and id");
        Some(result)
    }
}
