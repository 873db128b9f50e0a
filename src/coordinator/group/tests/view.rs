//! A cluster of topics that a test sets up.

use std::collections::BTreeMap;

use crate::config::Overrides;
use crate::coordinator::{TopicFacts, View};
use crate::model::TopicId;

#[derive(Clone, Default)]
pub struct TestView {
    version: u64,
    topics: BTreeMap<String, TopicFacts>,
    configs: Overrides,
}

/// A topic's id tells its name's first bytes.
pub fn id_of(name: &str) -> TopicId {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    TopicId(bytes)
}

impl TestView {
    /// Says whether it is a new one.
    pub fn set(&mut self, name: &str, partitions: i32) -> bool {
        self.version += 1;
        let facts = TopicFacts { id: id_of(name), partitions };
        match partitions {
            0 => self.topics.remove(name).is_none(),
            _ => self.topics.insert(name.to_owned(), facts).is_none(),
        }
    }

    /// A topic of an id that is known from elsewhere.
    pub fn name(&mut self, name: &str, id: [u8; 16], partitions: i32) {
        self.version += 1;
        self.topics.insert(name.to_owned(), TopicFacts { id: TopicId(id), partitions });
    }

    pub fn configure(&mut self, pairs: &[(&str, &str)]) {
        self.version += 1;
        self.configs =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    }
}

impl View for TestView {
    fn version(&self) -> u64 {
        self.version
    }

    fn topic(&self, name: &str) -> Option<TopicFacts> {
        self.topics.get(name).copied()
    }

    fn name_of(&self, id: TopicId) -> Option<&str> {
        let found = self.topics.iter().find(|(_, facts)| facts.id == id);
        found.map(|(name, _)| name.as_str())
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.topics.keys().map(String::as_str))
    }

    fn racks(&self, _: &str, _: i32) -> Vec<&str> {
        Vec::new()
    }

    fn group_configs(&self, _: &str) -> Option<&Overrides> {
        Some(&self.configs)
    }
}
