//! ConsumerGroupDescribe.

use std::collections::BTreeMap;

use super::Consumer;
use super::member::Held;
use crate::coordinator::View;
use crate::coordinator::group::assign::Assignment;
use crate::coordinator::group::request::{
    DescribedConsumer, DescribedConsumerMember, DescribedPartitions,
};
use crate::model::TopicId;

impl Consumer {
    pub fn describe(&self, assignors: &[String], view: &dyn View) -> DescribedConsumer {
        let members = self.members.iter().map(|(id, member)| DescribedConsumerMember {
            member: id.to_string(),
            instance: member.instance.as_deref().map(str::to_owned),
            rack: member.rack.as_deref().map(str::to_owned),
            epoch: member.epoch,
            client_id: member.client_id.to_string(),
            client_host: member.client_host.to_string(),
            names: member.names.iter().map(|name| name.to_string()).collect(),
            pattern: member.pattern.to_string(),
            assignment: held(&member.assigned, &member.revoking, view),
            target: self.targets.get(id).map(|target| shared(target, view)).unwrap_or_default(),
            is_classic: member.classic.is_some(),
        });
        DescribedConsumer {
            state: self.state(),
            epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            assignor: self.preferred_of(None, assignors).to_string(),
            members: members.collect(),
            ..DescribedConsumer::default()
        }
    }
}

/// What a member has, also if it is to give it up. Topics that are gone have no name to be told by.
fn held(assigned: &Held, revoking: &Held, view: &dyn View) -> Vec<DescribedPartitions> {
    let mut all: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
    for (&topic, partitions) in assigned.iter().chain(revoking) {
        all.entry(topic).or_default().extend(partitions.keys());
    }
    let named = |(id, partitions)| described(id, partitions, view);
    all.into_iter().filter_map(named).collect()
}

fn shared(target: &Assignment, view: &dyn View) -> Vec<DescribedPartitions> {
    let named = |(&id, partitions): (&TopicId, &std::collections::BTreeSet<i32>)| {
        described(id, partitions.iter().copied().collect(), view)
    };
    target.iter().filter_map(named).collect()
}

fn described(id: TopicId, partitions: Vec<i32>, view: &dyn View) -> Option<DescribedPartitions> {
    Some(DescribedPartitions { id, name: view.name_of(id)?.to_owned(), partitions })
}
