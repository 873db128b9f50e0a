//! What Kafka notes beside the partitions: where each log begins (`log-start-offset-checkpoint`), up
//! to where it is safe (`recovery-point-offset-checkpoint`) and compacted
//! (`cleaner-offset-checkpoint`), and that all of it was closed in order (`.kafka_cleanshutdown`). In
//! Kafka's format:
//!
//! ```text
//! 0                  version
//! 1                  lines that follow
//! orders 0 1045      topic, partition, offset
//! ```
//!
//! Read at the first start on a directory, and written when the broker stops in order, so that
//! deleted records do not come back on either way. They name topics and no ids, and would be out of
//! date while this broker runs, so meanwhile they say nothing of its partitions.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::log::checkpoint::Entry;
use crate::log::{names, partition_metadata};
use crate::model::{Offset, TopicId};
use crate::notice;
use crate::rt::file;

const STARTS: &str = "log-start-offset-checkpoint";
const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
const CLEANED: &str = "cleaner-offset-checkpoint";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

type Offsets = BTreeMap<(String, i32), Offset>;

/// What is known of the partitions that are there.
pub async fn read(dir: &Path) -> io::Result<Vec<Entry>> {
    let starts = offsets(&dir.join(STARTS)).await?;
    let recovery_points = offsets(&dir.join(RECOVERY_POINTS)).await?;
    let cleaned = offsets(&dir.join(CLEANED)).await?;
    let mut entries = Vec::new();
    for found in file::list_dir(dir).await? {
        let path = dir.join(&found.name);
        let (topic, partition) = names::topic_and_partition(&path);
        if !found.is_dir || partition < 0 {
            continue;
        }
        let Some(topic_id) = topic_id(&path).await? else { continue };
        let key = (topic.clone(), partition);
        let log_start_offset = starts.get(&key).copied().unwrap_or(0);
        let recovery_point = recovery_points.get(&key).copied().unwrap_or(0);
        entries.push(Entry {
            topic,
            partition,
            topic_id,
            log_start_offset,
            cleaned_offset: cleaned.get(&key).copied().unwrap_or(0),
            synced_offset: recovery_point.max(log_start_offset),
            segment: -1,
            first_unfinished: Offset::MAX,
            high_watermark: log_start_offset,
            // Not known: whoever opens the log looks for a snapshot.
            producer_count: 1,
            ..Entry::default()
        });
    }
    Ok(entries)
}

async fn topic_id(partition: &Path) -> io::Result<Option<TopicId>> {
    let path = partition.join(names::PARTITION_METADATA);
    if !file::exists(&path).await? {
        return Ok(None);
    }
    let text = file::read_whole(&path).await?;
    Ok(std::str::from_utf8(&text).ok().and_then(partition_metadata::decode))
}

/// Takes out what is said of these partitions, and that they need no recovery.
pub async fn forget(dir: &Path, entries: &[Entry]) -> io::Result<()> {
    let clean_shutdown = dir.join(CLEAN_SHUTDOWN);
    if file::exists(&clean_shutdown).await? {
        file::remove_file(&clean_shutdown).await?;
        file::sync_dir(dir).await?;
    }
    for name in [STARTS, RECOVERY_POINTS, CLEANED] {
        change(&dir.join(name), entries, |_| None).await?;
    }
    Ok(())
}

/// Writes down where these logs begin, up to where they are compacted and, of those that were closed
/// in order, where they end.
pub async fn write(dir: &Path, entries: &[Entry]) -> io::Result<()> {
    let start = |entry: &Entry| Some(entry.log_start_offset).filter(|&offset| offset > 0);
    change(&dir.join(STARTS), entries, start).await?;
    let cleaned = |entry: &Entry| Some(entry.cleaned_offset).filter(|&offset| offset > 0);
    change(&dir.join(CLEANED), entries, cleaned).await?;
    let end = |entry: &Entry| entry.clean.then_some(entry.synced_offset);
    change(&dir.join(RECOVERY_POINTS), entries, end).await
}

/// Gives these partitions other lines, or none; those of others stay.
async fn change(
    path: &Path,
    entries: &[Entry],
    line: impl Fn(&Entry) -> Option<Offset>,
) -> io::Result<()> {
    let present = offsets(path).await?;
    let mut changed = present.clone();
    for entry in entries {
        let key = (entry.topic.clone(), entry.partition);
        match line(entry) {
            Some(offset) => changed.insert(key, offset),
            None => changed.remove(&key),
        };
    }
    if changed == present {
        return Ok(());
    }
    file::write_whole(path, encode(&changed).as_bytes()).await
}

/// A file that is not there, is empty (Kafka's before it first writes it), or is not readable says nothing.
async fn offsets(path: &Path) -> io::Result<Offsets> {
    if !file::exists(path).await? {
        return Ok(Offsets::new());
    }
    let text = file::read_whole(path).await?;
    if text.is_empty() {
        return Ok(Offsets::new());
    }
    let offsets = std::str::from_utf8(&text).ok().and_then(decode);
    Ok(offsets.unwrap_or_else(|| {
        notice!("{} is not readable and not used", path.display());
        Offsets::new()
    }))
}

fn encode(offsets: &Offsets) -> String {
    let mut text = format!("0\n{}\n", offsets.len());
    for ((topic, partition), offset) in offsets {
        text.push_str(&format!("{topic} {partition} {offset}\n"));
    }
    text
}

/// `None` when the text is not such a file.
fn decode(text: &str) -> Option<Offsets> {
    let mut lines = text.lines();
    let version = lines.next()?;
    let count: usize = lines.next()?.parse().ok()?;
    let mut offsets = Offsets::new();
    for line in lines {
        let mut words = line.split(' ');
        let (topic, partition, offset) = (words.next()?, words.next()?, words.next()?);
        let key = (topic.to_owned(), partition.parse().ok()?);
        let offset: Offset = offset.parse().ok().filter(|&offset| offset >= 0)?;
        if words.next().is_some() || offsets.insert(key, offset).is_some() {
            return None;
        }
    }
    (version == "0" && offsets.len() == count).then_some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_refuses_other_texts() {
        let text = "0\n2\na-b 0 1045\norders 3 0\n";
        let offsets = decode(text).expect("two lines");
        assert_eq!(offsets[&("a-b".to_owned(), 0)], 1045);
        assert_eq!(encode(&offsets), text);
        assert_eq!(decode("0\n0\n"), Some(Offsets::new()));
        for other in
            ["", "0", "1\n0\n", "0\n1\n", "0\n1\na 0\n", "0\n1\na 0 1 2\n", "0\n1\na 0 -1\n"]
        {
            assert_eq!(decode(other), None, "{other:?}");
        }
    }
}
