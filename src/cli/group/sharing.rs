//! Who of a group reads what, in lines for those who take part in it.

use std::collections::BTreeSet;

use super::idle;
use crate::cli::units;
use crate::client::{Cluster, GroupMember, Result, Scope, describe_group};

/// Members that are told of, beside the one that asks.
const OTHERS_MAX: usize = 8;
/// Partitions that are listed one by one.
const LISTED_MAX: usize = 6;

/// The group as it is, seen by one of its members.
pub async fn lines(
    cluster: &Cluster,
    group: &str,
    topics: &[&str],
    own: &str,
    generation: i32,
) -> Result<Vec<String>> {
    let (_, described) = describe_group(cluster, group).await?;
    let metadata = cluster.metadata(Scope::Topics(topics)).await?;
    let part = |member: &GroupMember| match member.assigned.is_empty() {
        true => format!("waits: {}", idle::reason(&described, member, &metadata)),
        false => format!("reads {}", list(&member.assigned.iter().cloned().collect())),
    };
    let mut lines = Vec::new();
    let count = units::counted(described.members.len() as u64, "member");
    let (mine, others): (Vec<_>, Vec<_>) =
        described.members.iter().partition(|member| member.id == own);
    let mine = mine.first().map_or("is not among them any more".to_owned(), |&me| part(me));
    lines.push(format!("{group}, generation {generation}: {count}; this one {mine}"));
    for other in others.iter().take(OTHERS_MAX) {
        let name = other.instance.as_deref().unwrap_or(&other.client_id);
        lines.push(format!("  {name} on {} {}", other.host, part(other)));
    }
    if others.len() > OTHERS_MAX {
        lines.push(format!(
            "  and {} more (`ringmain group describe {group}` shows all)",
            others.len() - OTHERS_MAX
        ));
    }
    Ok(lines)
}

/// Such as `orders-0, orders-1`, or how many there are.
pub fn list(places: &BTreeSet<(String, i32)>) -> String {
    let topics: BTreeSet<&str> = places.iter().map(|(topic, _)| topic.as_str()).collect();
    match places.len() {
        0 => "nothing".to_owned(),
        1..=LISTED_MAX => {
            let names = places.iter().map(|(topic, index)| format!("{topic}-{index}"));
            names.collect::<Vec<_>>().join(", ")
        }
        count => {
            let topics = topics.into_iter().collect::<Vec<_>>().join(", ");
            format!("{} of {topics}", units::counted(count as u64, "partition"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_partitions_are_counted() {
        let places = |count: i32| (0..count).map(|index| ("t".to_owned(), index)).collect();
        assert_eq!(list(&places(0)), "nothing");
        assert_eq!(list(&places(2)), "t-0, t-1");
        assert_eq!(list(&places(7)), "7 partitions of t");
    }
}
