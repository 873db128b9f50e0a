//! This core's recovery checkpoint: how much of each log needs no scan after a restart. One file a
//! core, `.ringmain/checkpoint-<core>`, and a copy of it; at a start every core reads all of them,
//! because partitions may have moved. On a directory that has none of them, Kafka's own count.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Shard, offset_files, reserve};
use crate::base::hash::FastMap;
use crate::log::checkpoint::{self, Entry};
use crate::model::{PartitionId, TopicId};
use crate::notice;
use crate::rt::file;

const PREFIX: &str = "checkpoint-";
/// Behind the name of the second copy: damage to one file must not make damage to a log look like
/// the end that a crash tore off.
const COPY: &str = ".copy";

/// What was known of the logs when they were last written down, without those that were opened
/// since.
#[derive(Default)]
pub struct Checkpoints(FastMap<(TopicId, i32), Entry>);

impl Checkpoints {
    /// Of a data directory. Where a file and its copy are damaged, that costs scans, and what only
    /// they know: where deleted records end, and how far damage is more than a torn end.
    pub async fn load(data: &Path) -> io::Result<Checkpoints> {
        let mut known: FastMap<(TopicId, i32), Entry> = FastMap::default();
        let (mut is_new, dir) = (true, own_dir(data));
        let found =
            if file::exists(&dir).await? { file::list_dir(&dir).await? } else { Vec::new() };
        for found in found {
            if !found.name.starts_with(PREFIX) || found.name.ends_with(".tmp") {
                continue;
            }
            is_new = false;
            let path = dir.join(&found.name);
            match checkpoint::decode(&file::read_whole(&path).await?) {
                Ok(entries) => entries.into_iter().for_each(|entry| keep(&mut known, entry)),
                Err(bad) => notice!("{} is not used: {bad}", path.display()),
            }
        }
        if is_new {
            let entries = offset_files::read(data).await?;
            entries.into_iter().for_each(|entry| keep(&mut known, entry));
        }
        Ok(Checkpoints(known))
    }

    pub fn into_entries(self) -> Vec<Entry> {
        self.0.into_values().collect()
    }

    pub fn get(&self, topic: TopicId, partition: PartitionId) -> Option<&Entry> {
        self.0.get(&(topic, partition.0))
    }

    /// The log is open and knows for itself.
    pub fn forget(&mut self, topic: TopicId, partition: PartitionId) {
        self.0.remove(&(topic, partition.0));
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
        let number = found.name.strip_prefix(PREFIX).map(|n| n.strip_suffix(COPY).unwrap_or(n));
        let number = number.and_then(|number| number.parse::<usize>().ok());
        if number.is_some_and(|core| core >= cores) {
            file::remove_file(&dir.join(&found.name)).await?;
        }
    }
    Ok(())
}

fn own_dir(data: &Path) -> PathBuf {
    data.join(".ringmain")
}

impl Shard {
    pub fn own_dir(&self) -> PathBuf {
        own_dir(self.data_dir())
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
            // One that has failed, or is closed, keeps the entry it has; so does one that waits for
            // room, which the file below tells of.
            if let Err(error) = partition.log().checkpoint().await
                && !error.is_closed()
                && !error.is_disk_full()
            {
                notice!("{}-{} is offline: {error}", partition.name, partition.index);
            }
            entries.push(partition.log().checkpoint_entry());
        }
        entries.extend(self.unopened_entries());
        let path = self.own_dir().join(format!("{PREFIX}{}", self.core()));
        let copy = self.own_dir().join(format!("{PREFIX}{}{COPY}", self.core()));
        let bytes = checkpoint::encode(&entries);
        let attempt = || async {
            file::write_whole(&copy, &bytes).await?;
            file::write_whole(&path, &bytes).await
        };
        match reserve::spend(&self.own_dir(), attempt).await {
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

impl Shard {
    /// What is known of partitions of this core that could not be opened: where their records
    /// begin, and what of them must not be missing when they are.
    fn unopened_entries(&self) -> Vec<Entry> {
        let (placement, known) = (self.placement.borrow(), self.checkpoints.borrow());
        let mut entries = Vec::new();
        for topic in placement.topics() {
            let unopened = (0..).zip(&topic.partitions);
            let unopened = unopened.filter(|(_, p)| p.core == self.core() && p.here.is_none());
            entries.extend(unopened.filter_map(|(i, _)| known.get(topic.id, PartitionId(i))));
        }
        entries.into_iter().cloned().collect()
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
