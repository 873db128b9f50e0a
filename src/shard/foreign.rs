//! Partitions in the data directories that the metadata does not know.
//!
//! At the very first start on directories they are somebody's data, a Kafka broker's `log.dirs` for
//! instance: their topics are taken over under the id that `partition.metadata` names. At a later
//! start they are strays: what a deletion left that a crash cut short, or a topic that was moved in
//! under a running cluster. They are set aside, as Kafka does, and never deleted ([`super::settle`]).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::scan::{Form, Item};
use crate::cluster::placement::Loads;
use crate::cluster::{ClusterImage, Command};
use crate::config::BrokerConfig;
use crate::config::limits::PRODUCER_ID_BLOCK_LEN;
use crate::log::{Epochs, names, producers};
use crate::model::{LeaderEpoch, NodeId, PartitionId, TopicId, topic_name};
use crate::notice;
use crate::rt::file;
use crate::shard::internal_topics;

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
/// says so; but for the internal topics, which are compacted as always. `image`: with this host
/// registered.
pub async fn topics(
    image: &ClusterImage,
    node: NodeId,
    items: &[Item],
    config: &BrokerConfig,
) -> io::Result<Vec<Command>> {
    assert!(image.node(node).is_some(), "the host is registered first");
    let mut found: BTreeMap<String, (TopicId, PartitionId)> = BTreeMap::new();
    let mut epochs: BTreeMap<(TopicId, PartitionId), LeaderEpoch> = BTreeMap::new();
    let mut producer_ids = None;
    for item in items.iter().filter(|item| item.form == Form::Whole) {
        let (name, path) = (&item.topic, item.path.display());
        let Some(id) = item.id else {
            notice!("{path} has no {} that can be read: left alone", names::PARTITION_METADATA);
            continue;
        };
        match image.topic(name) {
            Some(known) if known.id == id => {}
            Some(known) => {
                notice!("{path} is of topic id {id}, not {}: left alone", known.id);
                continue;
            }
            None if image.topic_by_id(id).is_some() => {
                notice!("{path}: topic id {id} has another name here: left alone");
                continue;
            }
            None => {
                let highest = found.entry(name.to_owned()).or_insert((id, item.partition));
                if highest.0 != id {
                    notice!("{path}: its neighbours have another topic id: left alone");
                    continue;
                }
                highest.1 = highest.1.max(item.partition);
            }
        }
        if let Some(last) = last_epoch(&item.path).await? {
            let epoch = epochs.entry((id, item.partition)).or_insert(last.next());
            *epoch = last.next().max(*epoch);
        }
        producer_ids = producer_ids.max(Some(largest_producer_id(&item.path).await?));
    }
    let mut loads = Loads::of(image);
    let mut commands = Vec::new();
    let mut after = image.clone();
    for (name, (id, highest)) in found {
        let partitions =
            (0..=highest.0).map(|index| loads.assign(id, PartitionId(index), 1)).collect();
        let count = highest.0 + 1;
        let configs = if topic_name::is_internal(&name) {
            notice!("taking over topic {name} with {count} partitions");
            internal_topics::configs(&name, config)
        } else {
            notice!("taking over topic {name} with {count} partitions, to be kept for ever");
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
