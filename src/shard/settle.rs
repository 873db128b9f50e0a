//! Bringing together, at a start, what the metadata says of where partitions lie and what lies there:
//! moves that a crash cut short are ended or begun again, strays are set aside, and what was moved by
//! hand is written down. Which of them it is [`locate`] decides; a partition whose directory is not
//! here is never looked for elsewhere.
//!
//! A move ends with a decision of the metadata, and then two renames: the old one goes, the new one
//! takes its name. Whatever a crash leaves of that, the decision says which one is whole.

use std::collections::BTreeMap;

use super::directories::Known;
use super::scan::{Form, Item};
use crate::cluster::directories::{Found, Present, Whereabouts, locate};
use crate::cluster::{ClusterImage, Command, Topic};
use crate::log;
use crate::model::{DirectoryId, NodeId, PartitionId, TopicId};
use crate::notice;
use crate::rt::file;

/// Behind the name of a directory that was set aside (Kafka: LogManager's stray directories).
const STRAY: &str = "-stray";

/// What is to be done once the directories are in order.
#[derive(Debug, Default)]
pub struct Settled {
    pub commands: Vec<Command>,
    /// Moves that were under way: topic, partition, where to.
    pub moves: Vec<(TopicId, PartitionId, DirectoryId)>,
}

/// The directories of one partition.
type Items<'a> = Vec<&'a Item>;

/// `image`: with every topic that is to be, also those that are just taken over. An error is one line
/// for the operator.
pub async fn settle(
    image: &ClusterImage,
    node: NodeId,
    directories: &[Known],
    items: &[Item],
    mut choose: impl FnMut(&Topic) -> DirectoryId,
) -> Result<Settled, String> {
    let mut found: BTreeMap<(TopicId, PartitionId), Items<'_>> = BTreeMap::new();
    for item in items {
        match (item.form, item.id) {
            (Form::Deleted, _) => remove(item).await,
            (_, Some(id)) if is_known(image, item) => {
                found.entry((id, item.partition)).or_default().push(item);
            }
            (Form::Whole, Some(id)) if image.is_formatted() => set_aside(item, id).await?,
            (Form::Future, _) if image.is_formatted() => remove(item).await,
            _ => {}
        }
    }
    let online = directories.iter().filter(|known| known.given.fault.is_none());
    let present = Present {
        online: online.map(|known| known.id).collect(),
        some_offline: directories.iter().any(|known| known.given.fault.is_some()),
    };
    let mut settled = Settled::default();
    let mut away: BTreeMap<DirectoryId, (usize, String)> = BTreeMap::new();
    for topic in image.topics() {
        let mut is_news = false;
        let mut held = Vec::with_capacity(topic.partitions.len());
        for (partition, replicas) in (0..).map(PartitionId).zip(&topic.partitions) {
            let assigned = topic.directory(node, partition);
            if replicas.core_on(node).is_none() {
                held.push(assigned);
                continue;
            }
            let name = format!("{}-{partition}", topic.name);
            let items = found.remove(&(topic.id, partition)).unwrap_or_default();
            let at = |form| {
                let items = items.iter().filter(move |item| item.form == form);
                items.map(|item| item.directory).collect::<Vec<_>>()
            };
            let there = Found { whole: at(Form::Whole), future: at(Form::Future) };
            let path = |id| path_of(directories, id);
            let home = match locate(assigned, &there, &present) {
                Whereabouts::AtHome => assigned,
                Whereabouts::New => choose(topic),
                Whereabouts::Arriving => {
                    arrive(&items, assigned, directories, &name).await?;
                    held.push(assigned);
                    continue;
                }
                Whereabouts::Strayed(home) => {
                    if !assigned.is_nil() {
                        notice!("{name} was moved to {} by hand", path(home));
                    }
                    home
                }
                Whereabouts::Away => {
                    away.entry(assigned).or_insert((0, name)).0 += 1;
                    held.push(assigned);
                    continue;
                }
                Whereabouts::Twice(one, other) => {
                    return Err(format!(
                        "{name} lies in {} and in {}: remove the one that is out of date",
                        path(one),
                        path(other)
                    ));
                }
                Whereabouts::Half(only) => {
                    return Err(format!(
                        "{name} lies only in {}, as a copy that was not ended: call it {name} to \
                         take what there is of it, or remove it",
                        path(only)
                    ));
                }
            };
            for item in &items {
                match item.form {
                    Form::Whole if item.directory != home => set_aside(item, topic.id).await?,
                    Form::Future => remove(item).await,
                    _ => {}
                }
            }
            if let Some(&to) = there.future.iter().find(|&&to| to != home)
                && there.whole.contains(&home)
            {
                settled.moves.push((topic.id, partition, to));
            }
            is_news |= home != assigned;
            held.push(home);
        }
        if is_news {
            let (id, first) = (topic.id, PartitionId(0));
            settled.commands.push(Command::AssignDirectories {
                id,
                node,
                first,
                directories: held,
            });
        }
    }
    for (id, (count, name)) in away {
        let others = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        notice!("{name}{others} offline: the directory with directory.id {id} is not here");
    }
    Ok(settled)
}

fn is_known(image: &ClusterImage, item: &Item) -> bool {
    let topic = item.id.and_then(|id| image.topic_by_id(id));
    topic.is_some_and(|topic| {
        *topic.name == *item.topic && topic.partition(item.partition).is_some()
    })
}

fn path_of(directories: &[Known], id: DirectoryId) -> String {
    let known = directories.iter().find(|known| known.id == id);
    known.map_or_else(|| id.to_string(), |known| known.given.path.display().to_string())
}

/// Ends a move that was decided.
async fn arrive(
    items: &[&Item],
    home: DirectoryId,
    directories: &[Known],
    name: &str,
) -> Result<(), String> {
    for item in items.iter().filter(|item| item.form == Form::Whole) {
        let removed = log::remove_partition(&item.path).await;
        removed.map_err(|error| format!("{name} cannot end its move: {error}"))?;
    }
    let arriving = items.iter().find(|item| item.form == Form::Future && item.directory == home);
    let Some(arriving) = arriving else { return Ok(()) };
    let plain = arriving.path.with_file_name(name);
    let renamed = log::rename_dir(&arriving.path, &plain).await;
    renamed.map_err(|error| format!("{name} cannot end its move: {error}"))?;
    notice!("{name} has moved to {}", path_of(directories, home));
    Ok(())
}

/// What is left in the way is met again at the next start.
async fn remove(item: &Item) {
    if let Err(error) = file::remove_dir_all(&item.path).await {
        notice!("{} was not removed: {error}", item.path.display());
    }
}

/// Renames what belongs to no topic, or is not the one that counts.
async fn set_aside(item: &Item, id: TopicId) -> Result<(), String> {
    let mut name = item.path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{id}{STRAY}"));
    let aside = item.path.with_file_name(name);
    let path = item.path.display();
    notice!("{path} does not count: set aside as {}", aside.display());
    let renamed = log::rename_dir(&item.path, &aside).await;
    renamed.map_err(|error| format!("{path} cannot be set aside: {error}"))
}
