//! Why a member of a group has nothing to read.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::units;
use crate::client::{Group, GroupMember, Metadata};
use crate::wire::consumer_protocol::{Assignment, Subscription};
use crate::wire::versioned::Versioned;

/// What a member wants to read, by its own words; `None` when they cannot be read.
pub fn subscription(member: &GroupMember) -> Option<BTreeSet<String>> {
    let subscription = Subscription::decode_newer(&member.metadata).ok()?;
    Some(subscription.topics.into_iter().map(str::to_owned).collect())
}

/// What it was given.
pub fn assignment(member: &GroupMember) -> Vec<(String, i32)> {
    // Nothing at all is an assignment, too.
    let Ok(assignment) = Assignment::decode_newer(&member.assignment) else { return Vec::new() };
    let topics = assignment.assigned_partitions.into_iter();
    topics
        .flat_map(|topic| {
            let name = topic.topic.to_owned();
            topic.partitions.into_iter().map(move |partition| (name.clone(), partition))
        })
        .collect()
}

/// One sentence about a member that was given nothing.
pub fn reason(group: &Group, member: &GroupMember, metadata: &Metadata) -> String {
    if group.state != "Stable" {
        return "the group is sharing anew".to_owned();
    }
    let Some(topics) = subscription(member) else {
        return "its subscription cannot be read".to_owned();
    };
    if topics.is_empty() {
        return "it is subscribed to nothing".to_owned();
    }
    let counts: BTreeMap<&str, usize> = topics
        .iter()
        .filter_map(|topic| Some((topic.as_str(), metadata.topics.get(topic)?.partitions.len())))
        .collect();
    let partitions: usize = counts.values().sum();
    if partitions == 0 {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        return format!("there is no topic {}", names.join(", "));
    }
    let rivals = group
        .members
        .iter()
        .filter(|other| subscription(other).is_some_and(|others| !others.is_disjoint(&topics)));
    let rivals = rivals.count();
    if rivals > partitions {
        let partitions = units::counted(partitions as u64, "partition");
        return format!("{rivals} members share {partitions}: more are not needed");
    }
    format!("{} gave it none", group.protocol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Partition, Topic};
    use crate::model::{ErrorCode, LeaderEpoch, TopicId};

    fn member(topics: &[&str]) -> GroupMember {
        let mut metadata = Vec::new();
        let subscription = Subscription { topics: topics.to_vec(), ..Subscription::default() };
        subscription.encode(1, &mut metadata);
        GroupMember { metadata, ..GroupMember::default() }
    }

    fn metadata(name: &str, count: i32) -> Metadata {
        let partition = |index| Partition {
            index,
            error: ErrorCode::NONE,
            leader: None,
            leader_epoch: LeaderEpoch(0),
            replicas: Vec::new(),
            in_sync: Vec::new(),
            offline: Vec::new(),
        };
        let topic = Topic {
            id: TopicId::NIL,
            error: ErrorCode::NONE,
            is_internal: false,
            partitions: (0..count).map(partition).collect(),
        };
        Metadata { topics: BTreeMap::from([(name.to_owned(), topic)]), ..Metadata::default() }
    }

    #[test]
    fn each_idle_member_has_a_reason() {
        let check = |state: &str, members: &[&[&str]], partitions: i32, expect: &str| {
            let group = Group {
                state: state.to_owned(),
                protocol: "range".to_owned(),
                members: members.iter().map(|topics| member(topics)).collect(),
                ..Group::default()
            };
            assert_eq!(reason(&group, &group.members[0], &metadata("t", partitions)), expect);
        };
        check("PreparingRebalance", &[&["t"]], 1, "the group is sharing anew");
        check("Stable", &[&[]], 1, "it is subscribed to nothing");
        check("Stable", &[&["u"]], 1, "there is no topic u");
        let few = "3 members share 2 partitions: more are not needed";
        check("Stable", &[&["t"], &["t"], &["t", "u"]], 2, few);
        check("Stable", &[&["t"], &["u"]], 2, "range gave it none");
    }
}
