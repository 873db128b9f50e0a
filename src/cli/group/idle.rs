//! Why a member of a group has nothing to read.

use std::collections::BTreeSet;

use crate::cli::units;
use crate::client::{Group, GroupKind, GroupMember, Metadata};

/// What a member of the new protocol has for an epoch when it is away for a while and will come back
/// under its instance id (KIP-848).
const AWAY: i32 = -2;
/// By this classic members give up first, and are given in another round.
const COOPERATIVE: &str = "cooperative-sticky";

/// What a member wants to read, by its own words; `None` when they cannot be read.
pub fn subscription(member: &GroupMember) -> Option<BTreeSet<String>> {
    Some(member.topics.as_ref()?.iter().cloned().collect())
}

/// One sentence about a member that has nothing.
pub fn reason(group: &Group, member: &GroupMember, metadata: &Metadata) -> String {
    if group.kind == GroupKind::Classic && group.state != "Stable" {
        return "the group is sharing anew".to_owned();
    }
    if member.epoch == Some(AWAY) {
        return "it is away, and is waited for under its instance id".to_owned();
    }
    let Some(topics) = subscription(member) else {
        return match group.kind {
            GroupKind::Classic => "its subscription cannot be read".to_owned(),
            GroupKind::Consumer => "no topic fits its pattern, or others have them all".to_owned(),
        };
    };
    if topics.is_empty() {
        return "it is subscribed to nothing".to_owned();
    }
    let counts = topics.iter().filter_map(|topic| metadata.topics.get(topic));
    let partitions: usize = counts.map(|topic| topic.partitions.len()).sum();
    if partitions == 0 {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        return format!("there is no topic {}", names.join(", "));
    }
    if !member.target.is_empty() {
        return given_up(group, member);
    }
    if let (Some(epoch), Some((group_epoch, _))) = (member.epoch, group.epochs)
        && epoch < group_epoch
    {
        return format!("it has not caught up: its epoch is {epoch}, the group's {group_epoch}");
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
    let all = group.members.iter().flat_map(|other| &other.assigned);
    let given = all.filter(|(topic, _)| topics.contains(topic)).count();
    if group.protocol == COOPERATIVE && given < partitions {
        let free = units::counted((partitions - given) as u64, "partition");
        return format!("{free} just given up by others will be given out next");
    }
    format!("{} gave it none", group.protocol)
}

/// What it is to have is still with others.
fn given_up(group: &Group, member: &GroupMember) -> String {
    let wanted = &member.target;
    let has = |other: &&GroupMember| other.assigned.iter().any(|place| wanted.contains(place));
    let holders: Vec<&str> = group
        .members
        .iter()
        .filter(|other| other.id != member.id)
        .filter(has)
        .map(|other| other.instance.as_deref().unwrap_or(&other.id))
        .collect();
    let waits = units::counted(wanted.len() as u64, "partition");
    match holders.as_slice() {
        [] => format!("it is to have {waits}, once others have let go"),
        holders => format!("it is to have {waits}, which {} still gives up", holders.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::client::{Partition, Topic};
    use crate::model::{ErrorCode, LeaderEpoch, TopicId};

    fn member(id: &str, topics: &[&str], assigned: &[i32]) -> GroupMember {
        GroupMember {
            id: id.to_owned(),
            topics: Some(topics.iter().map(|&topic| topic.to_owned()).collect()),
            assigned: assigned.iter().map(|&index| ("t".to_owned(), index)).collect(),
            ..GroupMember::default()
        }
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
        let check = |state: &str, protocol: &str, members: &[GroupMember], count, expect: &str| {
            let group = Group {
                state: state.to_owned(),
                protocol: protocol.to_owned(),
                members: members.to_vec(),
                ..Group::default()
            };
            assert_eq!(reason(&group, &group.members[0], &metadata("t", count)), expect);
        };
        let of = |topics: &[&str]| member("m", topics, &[]);
        check("PreparingRebalance", "range", &[of(&["t"])], 1, "the group is sharing anew");
        check("Stable", "range", &[of(&[])], 1, "it is subscribed to nothing");
        check("Stable", "range", &[of(&["u"])], 1, "there is no topic u");
        let few = "3 members share 2 partitions: more are not needed";
        check("Stable", "range", &[of(&["t"]), of(&["t"]), of(&["t", "u"])], 2, few);
        check("Stable", "range", &[of(&["t"]), of(&["u"])], 2, "range gave it none");
        let next = "1 partition just given up by others will be given out next";
        let sharing = [of(&["t"]), member("n", &["t"], &[0])];
        check("Stable", COOPERATIVE, &sharing, 2, next);
    }

    #[test]
    fn members_of_the_new_protocol_wait_for_others() {
        let check = |change: fn(&mut Group), expect: &str| {
            let mut group = Group {
                kind: GroupKind::Consumer,
                state: "Reconciling".to_owned(),
                protocol: "uniform".to_owned(),
                epochs: Some((5, 5)),
                members: vec![member("m", &["t"], &[]), member("n", &["t"], &[0, 1])],
                ..Group::default()
            };
            for member in &mut group.members {
                member.epoch = Some(5);
            }
            change(&mut group);
            assert_eq!(reason(&group, &group.members[0], &metadata("t", 2)), expect);
        };
        let to_have = |group: &mut Group| group.members[0].target = vec![("t".to_owned(), 1)];
        check(to_have, "it is to have 1 partition, which n still gives up");
        check(
            |group| {
                group.members[0].target = vec![("t".to_owned(), 1)];
                group.members[1].assigned.pop();
            },
            "it is to have 1 partition, once others have let go",
        );
        check(|group| group.members[0].epoch = Some(AWAY), {
            "it is away, and is waited for under its instance id"
        });
        check(|group| group.members[0].epoch = Some(4), {
            "it has not caught up: its epoch is 4, the group's 5"
        });
        check(|group| group.members[0].topics = None, {
            "no topic fits its pattern, or others have them all"
        });
        check(|_| {}, "uniform gave it none");
    }
}
