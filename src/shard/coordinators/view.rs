//! A cluster image as the machines see it.

use std::sync::Arc;

use crate::cluster::ClusterImage;
use crate::config::Overrides;
use crate::coordinator::{TopicFacts, View};
use crate::model::{PartitionId, TopicId};

pub(super) struct ImageView(pub Arc<ClusterImage>);

impl View for ImageView {
    fn version(&self) -> u64 {
        self.0.applied()
    }

    fn topic(&self, name: &str) -> Option<TopicFacts> {
        let topic = self.0.topic(name)?;
        Some(TopicFacts { id: topic.id, partitions: topic.partitions.len() as i32 })
    }

    fn name_of(&self, id: TopicId) -> Option<&str> {
        self.0.topic_by_id(id).map(|topic| &*topic.name)
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.0.topics().map(|topic| &*topic.name))
    }

    fn racks(&self, topic: &str, partition: i32) -> Vec<&str> {
        let partition =
            self.0.topic(topic).and_then(|topic| topic.partition(PartitionId(partition)));
        let replicas = partition.iter().flat_map(|partition| &partition.replicas);
        let racks = replicas.filter_map(|replica| self.0.node(replica.node)?.rack.as_deref());
        let mut racks: Vec<&str> = racks.collect();
        racks.sort_unstable();
        racks
    }

    fn group_configs(&self, group: &str) -> Option<&Overrides> {
        self.0.group_configs(group)
    }
}
