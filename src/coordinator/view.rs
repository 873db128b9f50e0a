//! What a machine sees of the cluster, as of one moment: the topics that there are, and what is set
//! for single groups. A view never changes; whoever has a later one hands it in with the rules.

use std::rc::Rc;

use crate::config::Overrides;
use crate::model::TopicId;

/// A topic, as far as it matters to who shares its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicFacts {
    pub id: TopicId,
    pub partitions: i32,
}

pub trait View {
    /// Grows with every change of the cluster.
    fn version(&self) -> u64;

    fn topic(&self, name: &str) -> Option<TopicFacts>;

    fn name_of(&self, id: TopicId) -> Option<&str>;

    /// Every topic, by name.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;

    /// Where the replicas of a partition stand, as far as that is known; sorted.
    fn racks(&self, topic: &str, partition: i32) -> Vec<&str>;

    /// What is set for one group.
    fn group_configs(&self, group: &str) -> Option<&Overrides>;
}

/// A cluster without topics.
struct Nothing;

impl View for Nothing {
    fn version(&self) -> u64 {
        0
    }

    fn topic(&self, _: &str) -> Option<TopicFacts> {
        None
    }

    fn name_of(&self, _: TopicId) -> Option<&str> {
        None
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(std::iter::empty())
    }

    fn racks(&self, _: &str, _: i32) -> Vec<&str> {
        Vec::new()
    }

    fn group_configs(&self, _: &str) -> Option<&Overrides> {
        None
    }
}

/// For machines that look at no topics.
pub fn nothing() -> Rc<dyn View> {
    Rc::new(Nothing)
}
