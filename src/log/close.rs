//! Saying how far a log has got, for the next start: checkpoints of a running log, and the close
//! after which the files are exact, indexed and durable, and the next open skips every scan.

use std::rc::Rc;
use std::time::Duration;

use super::checkpoint::{Active, Entry};
use super::delete::remove_later;
use super::error::{At, Error};
use super::segment::Segment;
use super::{Log, names, producers};
use crate::model::Offset;
use crate::rt::file;

/// What belongs together at one moment.
pub(super) struct Moment {
    offset: Offset,
    holder: Rc<Segment>,
    position: u64,
    active: Active,
    producers: Vec<u8>,
    producer_count: u32,
}

impl Log {
    /// Makes everything that was appended before the call durable, with its indexes, producers and
    /// epochs, and yields the entry that says so. The caller writes the checkpoint file; until then
    /// the one before it still holds.
    pub async fn checkpoint(&self) -> Result<Entry, Error> {
        let is_kept = {
            let kept = self.kept.borrow();
            let place = (self.end_offset.get(), self.holder().base_offset);
            (kept.synced_offset, kept.segment) == place
        };
        if is_kept {
            return Ok(self.checkpoint_entry());
        }
        let moment = self.moment();
        if let Err(error) = self.keep(&moment).await {
            // A full disk keeps the entry before this one, and nothing else is lost.
            if !error.is_disk_full() {
                self.fail(error.clone());
            }
            return Err(error);
        }
        self.set_kept(self.entry(&moment, false));
        Ok(self.checkpoint_entry())
    }

    /// From now on this may be what the checkpoint on disk says.
    pub(super) fn set_kept(&self, entry: Entry) {
        self.cleaning.spare_from(entry.segment);
        *self.kept.borrow_mut() = entry;
    }

    /// What the last checkpoint or the close said, or what opening the log found, with the present
    /// start and high watermark.
    pub fn checkpoint_entry(&self) -> Entry {
        let kept = self.kept.borrow().clone();
        Entry {
            log_start_offset: self.log_start_offset.get(),
            high_watermark: self.high_watermark.get().min(kept.synced_offset),
            cleaned_offset: self.cleaned_offset(),
            ..kept
        }
    }

    /// Writes and syncs everything, makes all files exact, and takes the log offline. The tail's
    /// memory goes with the last reference. After a failure nothing is written any more.
    pub async fn close(&self) -> Result<Entry, Error> {
        let result = self.close_files().await;
        self.fail(result.clone().err().unwrap_or_else(|| Error::closed(&self.dir)));
        remove_later(self.spares.end(), Duration::ZERO).await;
        result
    }

    async fn close_files(&self) -> Result<Entry, Error> {
        self.cleaning.end().await;
        self.sync().await?;
        self.finish_written();
        while self.finishing.get() > 0 {
            self.finished.wait().await;
        }
        if let Some(error) = self.failure() {
            return Err(error);
        }
        let active = self.active();
        if !active.is_empty() || active.base_offset > 0 {
            active.finish_active().await?;
        }
        let moment = self.moment();
        self.keep(&moment).await?;
        file::sync_dir(&self.dir).await.at(&self.dir)?;
        self.set_kept(self.entry(&moment, true));
        Ok(self.checkpoint_entry())
    }

    /// The segment that a checkpoint speaks of. The end of an empty active segment is that of the
    /// one before it, whose file surely exists.
    fn holder(&self) -> Rc<Segment> {
        let segments = self.segments.borrow();
        let active = segments.last().expect("a log has an active segment");
        match segments.len().checked_sub(2) {
            Some(before) if active.is_empty() && !active.has_file() => segments[before].clone(),
            _ => active.clone(),
        }
    }

    /// The end of the log as it is now.
    pub(super) fn moment(&self) -> Moment {
        let holder = self.holder();
        let producers = self.producers.borrow();
        Moment {
            offset: self.end_offset.get(),
            position: holder.len.get(),
            active: holder.facts(),
            holder,
            producers: producers::encode(&producers),
            producer_count: producers.len() as u32,
        }
    }

    pub(super) async fn keep(&self, moment: &Moment) -> Result<(), Error> {
        self.sync().await?;
        // A segment that never had a record has no file, and then no indexes either.
        if moment.position > 0 || moment.holder.has_file() {
            moment.holder.write_indexes(false).await?;
        }
        self.write_epochs().await?;
        let last = self.snapshots.borrow().last().copied();
        if moment.producer_count > 0 && last != Some(moment.offset) {
            let path = names::file(&self.dir, moment.offset, names::SNAPSHOT);
            // Where the log was just rolled, the end of that segment is written under this name, too.
            let written = file::write_whole_beside(&path, "checkpoint.tmp", &moment.producers);
            written.await.at(&path)?;
            self.snapshots.borrow_mut().push(moment.offset);
            self.forget_snapshots().await?;
        }
        Ok(())
    }

    /// Removes the snapshots of older checkpoints, except the last two (the checkpoint file on disk
    /// may be the one before this) and those where a segment begins.
    async fn forget_snapshots(&self) -> Result<(), Error> {
        let _turn = self.reshape().await;
        loop {
            let oldest = {
                let mut snapshots = self.snapshots.borrow_mut();
                if snapshots.len() <= 2 {
                    return Ok(());
                }
                snapshots.remove(0)
            };
            let begins = |segment: &Rc<Segment>| segment.base_offset == oldest;
            if !self.segments.borrow().iter().any(begins) {
                let path = names::file(&self.dir, oldest, names::SNAPSHOT);
                if file::exists(&path).await.at(&path)? {
                    file::remove_file(&path).await.at(&path)?;
                }
            }
        }
    }

    pub(super) fn entry(&self, moment: &Moment, clean: bool) -> Entry {
        let segments = self.segments.borrow();
        let unfinished = segments.iter().find(|segment| !segment.finished.get());
        let (topic, partition) = names::topic_and_partition(&self.dir);
        Entry {
            topic,
            partition,
            topic_id: self.topic_id,
            log_start_offset: self.log_start_offset.get(),
            cleaned_offset: self.cleaned_offset(),
            synced_offset: moment.offset,
            segment: moment.holder.base_offset,
            position: moment.position,
            first_unfinished: unfinished.map_or(moment.holder.base_offset, |it| it.base_offset),
            high_watermark: self.high_watermark.get(),
            producer_count: moment.producer_count,
            clean,
            active: moment.active,
        }
    }

    /// Keeps the leader epochs, when they have changed since they were kept last.
    pub(super) async fn write_epochs(&self) -> Result<(), Error> {
        if self.epochs_kept.get() {
            return Ok(());
        }
        let path = self.dir.join(names::EPOCHS);
        let text = self.epochs.borrow().encode();
        self.epochs_kept.set(true);
        let result = file::write_whole(&path, text.as_bytes()).await.at(&path);
        if result.is_err() {
            self.epochs_kept.set(false);
        }
        result
    }
}
