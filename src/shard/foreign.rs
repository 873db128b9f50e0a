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
use crate::config::BrokerConfig;
use crate::config::limits::{PARTITIONS_PER_TOPIC_MAX, PRODUCER_ID_BLOCK_LEN};
use crate::log::{Epochs, names, partition_metadata, producers};
use crate::model::{LeaderEpoch, NodeId, PartitionId, TopicId, topic_name};
use crate::notice;
use crate::rt::file;
use crate::shard::internal_topics;

/// Behind the name of a directory that was set aside (Kafka: LogManager's stray directories).
const STRAY: &str = "-stray";

/// What a topic is given whose settings are not known.
const KEPT: [(&str, &str); 2] = [("retention.ms", "-1"), ("retention.bytes", "-1")];

/// Ids left free above the largest found: a log may know producers that are in no snapshot yet.
const PRODUCER_IDS_APART: i64 = 1_000_000;
/// An id beyond was not handed out by anybody, and leaves none for others.
const PRODUCER_ID_MAX: i64 = i64::MAX / 2;

/// Commands that make the unknown topics known, with as many partitions as the highest number
/// found asks for, each at an epoch above those that its log has seen: nobody who has read it may
/// meet a leader of the past. Producers who wrote to them keep their ids to themselves. What the
/// topics' settings were is not known, and so nothing is deleted by age or size before somebody
/// says so; but for the internal topics, which are compacted as always. `image`: with this host registered.
pub async fn topics(
    image: &ClusterImage,
    node: NodeId,
    dir: &Path,
    config: &BrokerConfig,
) -> io::Result<Vec<Command>> {
    assert!(image.node(node).is_some(), "the host is registered first");
    let mut found: BTreeMap<String, (TopicId, i32)> = BTreeMap::new();
    let mut epochs: BTreeMap<(TopicId, PartitionId), LeaderEpoch> = BTreeMap::new();
    let mut producer_ids = None;
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
            Some(known) if known.id == id => {}
            Some(known) => {
                notice!("{} is of topic id {id}, not {}: left alone", entry.name, known.id);
                continue;
            }
            None if image.topic_by_id(id).is_some() => {
                notice!("{}: topic id {id} has another name here: left alone", entry.name);
                continue;
            }
            None => {
                let highest = found.entry(name.to_owned()).or_insert((id, -1));
                if highest.0 != id {
                    notice!("{}: its neighbours have another topic id: left alone", entry.name);
                    continue;
                }
                highest.1 = highest.1.max(partition);
            }
        }
        let dir = dir.join(&entry.name);
        if let Some(last) = last_epoch(&dir).await? {
            epochs.insert((id, PartitionId(partition)), last.next());
        }
        producer_ids = producer_ids.max(Some(largest_producer_id(&dir).await?));
    }
    let mut loads = Loads::of(image);
    let mut commands = Vec::new();
    let mut after = image.clone();
    for (name, (id, highest)) in found {
        let partitions =
            (0..=highest).map(|index| loads.assign(id, PartitionId(index), 1)).collect();
        let configs = if topic_name::is_internal(&name) {
            notice!("taking over topic {name} with {} partitions", highest + 1);
            internal_topics::configs(config)
        } else {
            notice!(
                "taking over topic {name} with {} partitions, to be kept for ever",
                highest + 1
            );
            KEPT.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
        };
        let command = Command::CreateTopic { name, id, partitions, configs };
        after.apply(&command);
        commands.push(command);
    }
    for ((id, partition), leader_epoch) in epochs {
        let known = after.topic_by_id(id).and_then(|topic| topic.partition(partition));
        let core = known.and_then(|known| known.core_on(node));
        let is_old = known.is_some_and(|known| known.leader_epoch < leader_epoch);
        if let Some(core) = core.filter(|_| is_old) {
            commands.push(Command::PlacePartition { id, partition, node, core, leader_epoch });
        }
    }
    if let Some(largest) = producer_ids {
        let first = largest + PRODUCER_IDS_APART;
        commands.push(Command::AllocateProducerIds { node, first, count: PRODUCER_ID_BLOCK_LEN });
    }
    Ok(commands)
}

/// The last leader epoch that a partition's directory tells of.
async fn last_epoch(partition: &Path) -> io::Result<Option<LeaderEpoch>> {
    let path = partition.join(names::EPOCHS);
    if !file::exists(&path).await? {
        return Ok(None);
    }
    let text = file::read_whole(&path).await?;
    let epochs = std::str::from_utf8(&text).ok().and_then(Epochs::decode);
    Ok(epochs.and_then(|epochs| epochs.latest()).map(|last| last.epoch))
}

/// The largest id in a partition's last snapshot; -1 when there is none.
async fn largest_producer_id(partition: &Path) -> io::Result<i64> {
    let snapshot = |name: &str| match names::parse(name) {
        names::Name::Snapshot(offset) => Some(offset),
        _ => None,
    };
    let found = file::list_dir(partition).await?;
    let Some(last) = found.iter().filter_map(|entry| snapshot(&entry.name)).max() else {
        return Ok(-1);
    };
    let bytes = file::read_whole(&names::file(partition, last, names::SNAPSHOT)).await?;
    let producers = producers::decode(&bytes).unwrap_or_default();
    let ids = producers.iter().map(|(id, _)| id).filter(|&id| id <= PRODUCER_ID_MAX);
    Ok(ids.max().unwrap_or(-1))
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
