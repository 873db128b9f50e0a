//! This core's recovery checkpoints: how much of each log needs no scan after a restart. In every data
//! directory one file a core, `.ringmain/checkpoint-<core>`, for the logs that lie there, and a copy of
//! it: what is lost with one directory harms no other. At a start every core reads all of them, because
//! partitions may have moved between cores. In a directory that has none of them, Kafka's own count.

use std::io;
use std::path::Path;
use std::rc::Rc;

use super::directories::{Directory, own_dir};
use super::{Shard, offset_files, reserve};
use crate::base::hash::FastMap;
use crate::log::checkpoint::{self, Entry};
use crate::model::{DirectoryId, PartitionId, TopicId};
use crate::notice;
use crate::rt::file;

const PREFIX: &str = "checkpoint-";
/// Behind the name of the second copy: damage to one file must not make damage to a log look like
/// the end that a crash tore off.
const COPY: &str = ".copy";

/// What was known of the logs when they were last written down, without those that were opened
/// since.
#[derive(Default)]
pub struct Checkpoints {
    known: FastMap<(DirectoryId, TopicId, i32), Entry>,
    /// Directories of which every file could be read.
    whole: Vec<DirectoryId>,
}

/// What the files of a data directory say, and whether all of them could be read. Where a file and its
/// copy are damaged, that costs scans, and what only they know: where deleted records end, and how far
/// damage is more than a torn end.
pub async fn read(data: &Path) -> io::Result<(Vec<Entry>, bool)> {
    let mut known: FastMap<(TopicId, i32), Entry> = FastMap::default();
    let (mut is_new, mut is_whole, dir) = (true, true, own_dir(data));
    for name in names_in(&dir).await? {
        is_new = false;
        let path = dir.join(name);
        match checkpoint::decode(&file::read_whole(&path).await?) {
            Ok(entries) => entries.into_iter().for_each(|entry| keep(&mut known, entry)),
            Err(bad) => {
                is_whole = false;
                notice!("{} is not used: {bad}", path.display());
            }
        }
    }
    if is_new {
        let entries = offset_files::read(data).await?;
        entries.into_iter().for_each(|entry| keep(&mut known, entry));
    }
    Ok((known.into_values().collect(), is_whole))
}

/// Whether somebody has written any there.
pub async fn are_in(own: &Path) -> io::Result<bool> {
    Ok(!names_in(own).await?.is_empty())
}

async fn names_in(own: &Path) -> io::Result<Vec<String>> {
    if !file::exists(own).await? {
        return Ok(Vec::new());
    }
    let found = file::list_dir(own).await?.into_iter().map(|entry| entry.name);
    let is_one = |name: &String| name.starts_with(PREFIX) && !name.ends_with(".tmp");
    Ok(found.filter(is_one).collect())
}

impl Checkpoints {
    /// Adds what a data directory says of its logs.
    pub(super) async fn load(&mut self, directory: &Directory) {
        match read(&directory.path).await {
            Ok((entries, is_whole)) => {
                self.whole.extend(is_whole.then_some(directory.id));
                let key = |entry: &Entry| (directory.id, entry.topic_id, entry.partition);
                self.known.extend(entries.into_iter().map(|entry| (key(&entry), entry)));
            }
            Err(error) => {
                let path = directory.path.display();
                notice!("no checkpoints, every log is scanned: {path}: {error}");
            }
        }
    }

    /// What is known of the log of a partition in a directory. One that was moved there by hand is as it
    /// was where it came from.
    pub fn get(
        &self,
        directory: DirectoryId,
        topic: TopicId,
        partition: PartitionId,
    ) -> Option<&Entry> {
        let its_own = self.known.get(&(directory, topic, partition.0));
        let elsewhere = || {
            let others = self.whole.iter().filter(|&&other| other != directory);
            let mut entries = others.filter_map(|&id| self.known.get(&(id, topic, partition.0)));
            entries.next().filter(|_| self.whole.contains(&directory))
        };
        its_own.or_else(elsewhere)
    }

    /// The log is open and knows for itself.
    pub fn forget(&mut self, topic: TopicId, partition: PartitionId) {
        self.known.retain(|key, _| (key.1, key.2) != (topic, partition.0));
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

impl Shard {
    /// Writes down how far each log of this core is safe. One task at a time: the files have one name.
    pub async fn write_checkpoint(self: &Rc<Self>) {
        let _writing = self.checkpointing_turn().await;
        for directory in self.online() {
            if let Err(error) = self.write_checkpoint_in(&directory).await {
                let path = directory.path.display();
                notice!("no checkpoint in {path}, the next start takes longer: {error}");
            }
        }
    }

    /// The same, for one directory; what is to be its own soon is in it, too.
    pub(super) async fn write_checkpoint_of(
        self: &Rc<Self>,
        directory: &Directory,
    ) -> io::Result<()> {
        let _writing = self.checkpointing_turn().await;
        self.write_checkpoint_in(directory).await
    }

    async fn checkpointing_turn(self: &Rc<Self>) -> Writing {
        while self.checkpointing.replace(true) {
            self.checkpointed.wait().await;
        }
        Writing(self.clone())
    }

    async fn write_checkpoint_in(self: &Rc<Self>, directory: &Directory) -> io::Result<()> {
        let partitions = self.partitions();
        let lie_here = |p: &Rc<super::partition::Partition>| p.home().place == directory.place;
        let partitions: Vec<_> = partitions.into_iter().filter(lie_here).collect();
        let (mut logs, mut entries) = (Vec::new(), Vec::new());
        for partition in &partitions {
            let log = partition.log();
            // One that has failed, or is closed, keeps the entry it has; so does one that waits for
            // room, which the file below tells of.
            if let Err(error) = log.checkpoint().await
                && !error.is_closed()
                && !error.is_disk_full()
            {
                notice!("{}-{} is offline: {error}", partition.name, partition.index);
                directory.note_outage();
                directory.suspect(&error);
            }
            // It may have moved meanwhile.
            if Rc::ptr_eq(&log, &partition.log()) {
                entries.push(log.checkpoint_entry());
                logs.push(log);
            }
        }
        entries.extend(self.unopened_entries(directory));
        entries.extend(self.arriving(directory));
        let own = directory.own_dir();
        let path = own.join(format!("{PREFIX}{}", self.core()));
        let copy = own.join(format!("{PREFIX}{}{COPY}", self.core()));
        let bytes = checkpoint::encode(&entries);
        let attempt = || async {
            file::write_whole(&copy, &bytes).await?;
            file::write_whole(&path, &bytes).await
        };
        reserve::spend(&own, attempt).await?;
        logs.iter().zip(&entries).for_each(|(log, entry)| log.note_checkpoint(entry));
        Ok(())
    }
}

struct Writing(Rc<Shard>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.checkpointing.set(false);
        self.0.checkpointed.raise();
    }
}

impl Shard {
    /// What is known of partitions of this core that could not be opened: where their records
    /// begin, and what of them must not be missing when they are.
    fn unopened_entries(&self, directory: &Directory) -> Vec<Entry> {
        let (placement, known) = (self.placement.borrow(), self.checkpoints.borrow());
        let image = self.image();
        let mut entries = Vec::new();
        for topic in placement.topics() {
            let Some(described) = image.topic_by_id(topic.id) else { continue };
            let unopened = (0..).map(PartitionId).zip(&topic.partitions);
            let unopened = unopened.filter(|(index, place)| {
                let is_here = described.directory(self.node(), *index) == directory.id;
                place.core == self.core() && place.here.is_none() && is_here
            });
            let entry = |(index, _)| known.get(directory.id, topic.id, index);
            entries.extend(unopened.filter_map(entry));
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
