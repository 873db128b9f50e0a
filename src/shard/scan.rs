//! What a start finds in the data directories: partitions, copies of partitions in the making, and
//! what a crash left of those that were being removed.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::limits::PARTITIONS_PER_TOPIC_MAX;
use crate::log::{names, partition_metadata};
use crate::model::{DirectoryId, PartitionId, TopicId, topic_name};
use crate::notice;
use crate::rt::file;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `<topic>-<partition>`
    Whole,
    /// `<topic>-<partition>.<id>-future`
    Future,
    /// `<topic>-<partition>.<id>-delete`
    Deleted,
}

/// A directory that is or was a partition's.
#[derive(Clone, Debug)]
pub struct Item {
    pub directory: DirectoryId,
    pub path: PathBuf,
    pub form: Form,
    pub topic: String,
    pub partition: PartitionId,
    /// What its `partition.metadata` says; `None` where it has none that can be read.
    pub id: Option<TopicId>,
}

/// The partitions in a data directory, by name.
pub async fn scan(dir: &Path, directory: DirectoryId) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for entry in file::list_dir(dir).await? {
        let Some((form, topic, partition)) = parse(&entry.name).filter(|_| entry.is_dir) else {
            continue;
        };
        if topic == topic_name::CLUSTER_METADATA {
            continue;
        }
        let path = dir.join(&entry.name);
        let id = match form {
            Form::Deleted => None,
            Form::Whole | Form::Future => topic_id(&path).await?,
        };
        let topic = topic.to_owned();
        items.push(Item { directory, path, form, topic, partition, id });
    }
    Ok(items)
}

async fn topic_id(partition: &Path) -> io::Result<Option<TopicId>> {
    let path = partition.join(names::PARTITION_METADATA);
    if !file::exists(&path).await? {
        return Ok(None);
    }
    let text = file::read_whole(&path).await?;
    let id = std::str::from_utf8(&text).ok().and_then(partition_metadata::decode);
    if id.is_none() {
        notice!("{} is not readable: left alone", path.display());
    }
    Ok(id)
}

fn parse(name: &str) -> Option<(Form, &str, PartitionId)> {
    if let Some((topic, partition)) = partition_of(name) {
        return Some((Form::Whole, topic, partition));
    }
    let (form, rest) = match name.strip_suffix(names::FUTURE_DIR) {
        Some(rest) => (Form::Future, rest),
        None => (Form::Deleted, name.strip_suffix(names::DELETED_DIR)?),
    };
    let (rest, unique) = rest.rsplit_once('.')?;
    let is_unique = unique.len() == 32 && unique.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (topic, partition) = partition_of(rest).filter(|_| is_unique)?;
    Some((form, topic, partition))
}

/// The topic and the number in a partition directory's name.
fn partition_of(name: &str) -> Option<(&str, PartitionId)> {
    let (topic, number) = name.rsplit_once('-')?;
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let partition: i32 = number.parse().ok().filter(|_| plain)?;
    let bounded = usize::try_from(partition).is_ok_and(|p| p < PARTITIONS_PER_TOPIC_MAX);
    (bounded && topic_name::validate(topic).is_ok()).then_some((topic, PartitionId(partition)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_partitions_are_taken_for_them() {
        let check = |name: &str, expect: Option<(Form, &str, i32)>| {
            let expect = expect.map(|(form, topic, at)| (form, topic, PartitionId(at)));
            assert_eq!(parse(name), expect, "{name}");
        };
        check("orders-0", Some((Form::Whole, "orders", 0)));
        check("a-b-17", Some((Form::Whole, "a-b", 17)));
        let unique = "0123456789abcdef0123456789abcdef";
        check(&format!("a.b-1.{unique}-future"), Some((Form::Future, "a.b", 1)));
        check(&format!("a-1.{unique}-delete"), Some((Form::Deleted, "a", 1)));
        check(&format!("a-1.{unique}-stray"), None);
        for other in ["orders", "orders-", "orders-x", "orders-+1", "orders-0.abc-delete", "-1"] {
            check(other, None);
        }
    }
}
