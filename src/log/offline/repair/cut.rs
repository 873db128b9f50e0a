//! Ending a log before its first damage. What is cut off is kept under names that no broker reads,
//! and the checkpoint learns that the log is shorter: otherwise it would call it damaged.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

use super::{Damage, Work, replace, sync_around};
use crate::log::checkpoint;
use crate::log::names::{self, Name};
use crate::model::Offset;

const CUT: &str = "cut";

impl Work<'_> {
    pub(super) fn cut(&mut self, place: &Damage) -> io::Result<()> {
        // The checkpoint first: with a log that is shorter than it says no broker would start.
        self.shorten_checkpoints(place.offset)?;
        let mut behind: Vec<(Name, PathBuf)> = Vec::new();
        for entry in fs::read_dir(self.dir)? {
            let entry = entry?;
            behind.push((names::parse(&entry.file_name().to_string_lossy()), entry.path()));
        }
        // Later segments from the last one on, so that at any moment what is there is one log.
        behind.sort_by_key(|(name, _)| std::cmp::Reverse(name.base_offset()));
        for (name, path) in behind {
            let base = name.base_offset().unwrap_or(Offset::MIN);
            match name {
                Name::Log(_) if base > place.segment => {
                    let kept = names::with(&path, CUT);
                    self.note(&path, format!("cut off, kept as {}", kept.display()));
                    if !self.remedy.dry_run {
                        fs::rename(&path, &kept)?;
                        sync_around(&path)?;
                    }
                }
                Name::OffsetIndex(_) | Name::TimeIndex(_) | Name::TxnIndex(_)
                    if base > place.segment =>
                {
                    self.remove(&path, "removed with its segment")?;
                }
                Name::Snapshot(_) if base > place.offset => {
                    self.remove(&path, "removed: it lies behind the log's end")?;
                }
                _ => {}
            }
        }
        self.shorten(place)
    }

    fn shorten(&mut self, place: &Damage) -> io::Result<()> {
        let path = names::file(self.dir, place.segment, names::LOG);
        let kept = names::with(&path, &format!("{}.{CUT}", place.position));
        let mut log = File::options().read(true).write(true).open(&path)?;
        let bytes = log.metadata()?.len().saturating_sub(place.position);
        let (position, offset) = (place.position, place.offset);
        self.note(
            &path,
            format!(
                "ends at byte {position} and offset {offset} now ({}): {bytes} bytes cut off, kept \
                 as {}",
                place.what,
                kept.display()
            ),
        );
        if self.remedy.dry_run {
            return Ok(());
        }
        log.seek(SeekFrom::Start(position))?;
        let mut copy = File::create(&kept)?;
        io::copy(&mut log, &mut copy)?;
        copy.sync_all()?;
        sync_around(&kept)?;
        log.set_len(position)?;
        log.sync_all()
    }

    /// Takes back what the checkpoints of the data directory around say of offsets from `end` on.
    fn shorten_checkpoints(&mut self, end: Offset) -> io::Result<()> {
        let dir = fs::canonicalize(self.dir)?;
        let (topic, partition) = names::topic_and_partition(&dir);
        let Some(own) = dir.parent().map(|data| data.join(".ringmain")) else { return Ok(()) };
        if !own.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(&own)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !name.starts_with("checkpoint-") || name.ends_with(".tmp") {
                continue;
            }
            // One that cannot be read says nothing to a broker either.
            let Ok(mut entries) = checkpoint::decode(&fs::read(&path)?) else { continue };
            let mut is_changed = false;
            for entry in &mut entries {
                if entry.topic != topic || entry.partition != partition {
                    continue;
                }
                // As of a log of which only the offsets are known.
                *entry = checkpoint::Entry {
                    synced_offset: entry.synced_offset.min(end),
                    high_watermark: entry.high_watermark.min(end),
                    cleaned_offset: entry.cleaned_offset.min(end),
                    log_start_offset: entry.log_start_offset.min(end),
                    segment: -1,
                    position: 0,
                    first_unfinished: Offset::MAX,
                    producer_count: 1,
                    clean: false,
                    active: checkpoint::Active::default(),
                    ..entry.clone()
                };
                is_changed = true;
            }
            if is_changed {
                self.note(&path, format!("says that {topic}-{partition} ends at offset {end}"));
                if !self.remedy.dry_run {
                    replace(&path, &checkpoint::encode(&entries))?;
                }
            }
        }
        Ok(())
    }
}
