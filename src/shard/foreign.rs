//! Partitions in the data directory that the metadata does not know.
//!
//! At the very first start on a directory they are somebody's data, a Kafka broker's `log.dirs` for
//! instance: their topics are taken over under the id that `partition.metadata` names. At a later
//! start they are strays: what a deletion left that a crash cut short, or a topic that was moved in
//! under a running cluster. They are set aside, as Kafka does, and never deleted.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::cluster::placement::Loads;
use crate::cluster::{ClusterImage, Command};
use crate::config::Overrides;
use crate::config::limits::PARTITIONS_PER_TOPIC_MAX;
use crate::log::{names, partition_metadata};
use crate::model::{NodeId, PartitionId, TopicId, topic_name};
use crate::notice;
use crate::rt::file;

/// Behind the name of a directory that was set aside (Kafka: LogManager's stray directories).
const STRAY: &str = "-stray";

/// Commands that make the unknown topics known, with as many partitions as the highest number
/// found asks for.
pub async fn topics(image: &ClusterImage, node: NodeId, dir: &Path) -> io::Result<Vec<Command>> {
    let mut found: BTreeMap<String, (TopicId, i32)> = BTreeMap::new();
    for entry in file::list_dir(dir).await? {
        let Some((name, partition)) = partition_of(&entry.name).filter(|_| entry.is_dir) else {
            continue;
        };
        if name == topic_name::CLUSTER_METADATA {
            continue;
        }
        let path = dir.join(&entry.name).join(names::PARTITION_METADATA);
        if !file::exists(&path).await? {
            notice!("{} has no {}: left alone", entry.name, names::PARTITION_METADATA);
            continue;
        }
        let text = file::read_whole(&path).await?;
        let id = std::str::from_utf8(&text).ok().and_then(partition_metadata::decode);
        let Some(id) = id else {
            notice!("{} is not readable: left alone", path.display());
            continue;
        };
        match image.topic(name) {
            Some(known) if known.id == id => continue,
            Some(known) => {
                notice!("{} is of topic id {id}, not {}: left alone", entry.name, known.id);
                continue;
            }
            None if image.topic_by_id(id).is_some() => {
                notice!("{}: topic id {id} has another name here: left alone", entry.name);
                continue;
            }
            None => {}
        }
        let highest = found.entry(name.to_owned()).or_insert((id, -1));
        if highest.0 != id {
            notice!("{} is of another topic id than its neighbours: left alone", entry.name);
            continue;
        }
        highest.1 = highest.1.max(partition);
    }
    let mut loads = Loads::of(image);
    let mut commands = Vec::new();
    for (name, (id, highest)) in found {
        let partitions =
            (0..=highest).map(|index| loads.assign(id, PartitionId(index), 1)).collect();
        notice!("taking over topic {name} with {} partitions", highest + 1);
        commands.push(Command::CreateTopic { name, id, partitions, configs: Overrides::new() });
    }
    assert!(commands.is_empty() || image.node(node).is_some(), "the host is registered first");
    Ok(commands)
}

/// Renames what belongs to no topic of the image.
pub async fn set_strays_aside(image: &ClusterImage, dir: &Path) -> io::Result<()> {
    for entry in file::list_dir(dir).await? {
        let Some((name, partition)) = partition_of(&entry.name).filter(|_| entry.is_dir) else {
            continue;
        };
        let path = dir.join(&entry.name);
        let metadata = path.join(names::PARTITION_METADATA);
        if name == topic_name::CLUSTER_METADATA || !file::exists(&metadata).await? {
            continue;
        }
        let text = file::read_whole(&metadata).await?;
        let id = std::str::from_utf8(&text).ok().and_then(partition_metadata::decode);
        let Some(id) = id else { continue };
        let known = image.topic_by_id(id).is_some_and(|topic| {
            *topic.name == *name && topic.partition(PartitionId(partition)).is_some()
        });
        if !known {
            let aside = dir.join(format!("{}.{id}{STRAY}", entry.name));
            notice!("{} belongs to no topic: set aside as {}", path.display(), aside.display());
            file::rename(&path, &aside).await?;
            file::sync_dir(dir).await?;
        }
    }
    Ok(())
}

/// The topic and the number in a partition directory's name.
fn partition_of(name: &str) -> Option<(&str, i32)> {
    let (topic, number) = name.rsplit_once('-')?;
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let partition: i32 = number.parse().ok().filter(|_| plain)?;
    let bounded = usize::try_from(partition).is_ok_and(|p| p < PARTITIONS_PER_TOPIC_MAX);
    (bounded && topic_name::validate(topic).is_ok()).then_some((topic, partition))
}

#[cfg(test)]
mod tests {
    use super::partition_of;

    #[test]
    fn only_names_of_partitions_are_taken_for_them() {
        assert_eq!(partition_of("orders-0"), Some(("orders", 0)));
        assert_eq!(partition_of("a-b-17"), Some(("a-b", 17)));
        for other in ["orders", "orders-", "orders-x", "orders-+1", "orders-0.abc-delete", "-1"] {
            assert_eq!(partition_of(other), None, "{other}");
        }
    }
}
