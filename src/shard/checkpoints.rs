//! This core's recovery checkpoint: how much of each log needs no scan after a restart. One file a
//! core, `.ringmain/checkpoint-<core>`; at a start every core reads all of them, because partitions
//! may have moved.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Shard;
use crate::base::hash::FastMap;
use crate::log::checkpoint::{self, Entry};
use crate::model::{PartitionId, TopicId};
use crate::notice;
use crate::rt::file;

const PREFIX: &str = "checkpoint-";

/// What was known of the logs when they were last written down.
#[derive(Default)]
pub struct Checkpoints(FastMap<(TopicId, i32), Entry>);

impl Checkpoints {
    /// A file that cannot be read costs scans, nothing else.
    pub async fn load(dir: &Path) -> io::Result<Checkpoints> {
        let mut known: FastMap<(TopicId, i32), Entry> = FastMap::default();
        for found in file::list_dir(dir).await? {
            if !found.name.starts_with(PREFIX) || found.name.ends_with(".tmp") {
                continue;
            }
            let path = dir.join(&found.name);
            match checkpoint::decode(&file::read_whole(&path).await?) {
                Ok(entries) => entries.into_iter().for_each(|entry| keep(&mut known, entry)),
                Err(bad) => notice!("{} is not used: {bad}", path.display()),
            }
        }
        Ok(Checkpoints(known))
    }

    pub fn take(&mut self, topic: TopicId, partition: PartitionId) -> Option<Entry> {
        self.0.remove(&(topic, partition.0))
    }
}

/// Of two entries for one partition the later one holds; of two alike the cautious one.
fn keep(known: &mut FastMap<(TopicId, i32), Entry>, entry: Entry) {
    let key = (entry.topic_id, entry.partition);
    let later =
        |old: &Entry| (entry.synced_offset, !entry.clean) >= (old.synced_offset, !old.clean);
    if known.get(&key).is_none_or(later) {
        known.insert(key, entry);
    }
}

/// Removes the files of cores that are no more, once their partitions are in other cores' files.
pub async fn remove_beyond(dir: &Path, cores: usize) -> io::Result<()> {
    for found in file::list_dir(dir).await? {
        let number = found.name.strip_prefix(PREFIX).and_then(|n| n.parse::<usize>().ok());
        if number.is_some_and(|core| core >= cores) {
            file::remove_file(&dir.join(&found.name)).await?;
        }
    }
    Ok(())
}

impl Shard {
    pub fn own_dir(&self) -> PathBuf {
        self.data_dir().join(".ringmain")
    }

    /// Writes down how far each log of this core is safe. One task at a time: the file has one name.
    pub async fn write_checkpoint(self: &Rc<Self>) {
        while self.checkpointing.replace(true) {
            self.checkpointed.wait().await;
        }
        let _writing = Writing(self);
        let partitions = self.partitions();
        let mut entries: Vec<Entry> = Vec::new();
        for partition in &partitions {
            // One that has failed, or is closed, keeps the entry it has.
            if let Err(error) = partition.log().checkpoint().await
                && !error.is_closed()
            {
                notice!("{}-{} is offline: {error}", partition.name, partition.index);
            }
            entries.push(partition.log().checkpoint_entry());
        }
        let path = self.own_dir().join(format!("{PREFIX}{}", self.core()));
        match file::write_whole(&path, &checkpoint::encode(&entries)).await {
            Ok(()) => {
                let entries = partitions.iter().zip(&entries);
                entries.for_each(|(partition, entry)| partition.log().note_checkpoint(entry));
            }
            Err(error) => {
                notice!("{} was not written, the next start takes longer: {error}", path.display());
            }
        }
    }
}

struct Writing<'a>(&'a Shard);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.checkpointing.set(false);
        self.0.checkpointed.raise();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_and_more_cautious_entry_holds() {
        let entry = |synced_offset, clean| Entry {
            topic: "t".to_owned(),
            topic_id: TopicId([1; 16]),
            synced_offset,
            clean,
            ..Entry::default()
        };
        let check = |entries: [Entry; 2], expect: (i64, bool)| {
            let mut known = FastMap::default();
            entries.into_iter().for_each(|entry| keep(&mut known, entry));
            let kept = known.into_values().next().expect("one");
            assert_eq!((kept.synced_offset, kept.clean), expect);
        };
        check([entry(5, true), entry(9, false)], (9, false));
        check([entry(9, false), entry(5, true)], (9, false));
        check([entry(9, true), entry(9, false)], (9, false));
        check([entry(9, false), entry(9, true)], (9, false));
    }
}
