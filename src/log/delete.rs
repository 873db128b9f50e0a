//! Giving up records: from the front (DeleteRecords, retention), and the whole partition.
//!
//! A segment is first taken out of the log, then its files are renamed with `.deleted` behind their
//! names, and after `file.delete.delay.ms` they are removed, or one of them kept to be written again
//! (`leaving`); readers that hold a descriptor go on.
//! A crash between these steps leaves `.deleted` files, which the next open removes, or a segment
//! below the log's start, which the next deletion takes.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::error::{At, Error};
use super::leaving::Leaving;
use super::segment::{Ending, Segment};
use super::{Log, names};
use crate::base::planted;
use crate::base::prng::Prng;
use crate::model::Offset;
use crate::rt::{self, file};

impl Log {
    /// Moves the log's start to `offset` (never back, never beyond the end) and removes the
    /// segments that lie wholly below. The new start is durable with the next checkpoint.
    pub async fn delete_before(&self, offset: Offset) -> Result<(), Error> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        let start = offset.min(self.end_offset.get());
        if start > self.log_start_offset.get() || planted::is("let-the-start-go-back") {
            self.log_start_offset.set(start);
            if self.epochs.borrow_mut().truncate_start(start) {
                self.epochs_kept.set(false);
            }
        }
        self.remove_segments().await
    }

    /// Removes segments below the log's start, whether or not there was room to finish them. The
    /// active one stays. The file of the first that stays is made before: the name of the last file
    /// says which offset comes next.
    async fn remove_segments(&self) -> Result<(), Error> {
        let _turn = self.reshape().await;
        let start = self.log_start_offset.get();
        let below: Vec<Rc<Segment>> = {
            let segments = self.segments.borrow();
            let closed = &segments[..segments.len() - 1];
            let goes = |it: &&Rc<Segment>| it.is_written() && it.end_offset.get() <= start;
            closed.iter().take_while(goes).cloned().collect()
        };
        let Some(last) = below.last() else { return Ok(()) };
        self.segment_after(last).make_file().await?;
        self.snapshot_kept(last).await?;
        for segment in &below {
            // A power cut may undo the removal: then they must be whole.
            segment.sync().await.inspect_err(|error| self.fail(error.clone()))?;
        }
        let gone: Vec<Rc<Segment>> = {
            let mut segments = self.segments.borrow_mut();
            let others_went = segments.first().map_or(0, |first| first.base_offset);
            let count = below.iter().filter(|it| it.base_offset >= others_went).count();
            segments.drain(..count).collect()
        };
        self.pass_over(&gone);
        let removed = self.set_aside(gone, start).await;
        if let Err(error) = &removed
            && !planted::is("go-on-after-half-a-removal")
        {
            // Some files are of no segment any more, and still there. Whoever removed what comes behind
            // them now would leave a hole; opening the log again takes them for its beginning.
            self.fail(error.clone());
        }
        let delay = Duration::from_millis(self.settings.get().file_delete_delay_ms);
        rt::spawn_background(removed?.leave(delay)).detach();
        Ok(())
    }

    /// Gives the files of segments that are gone the names of what waits for its removal.
    async fn set_aside(&self, gone: Vec<Rc<Segment>>, start: Offset) -> Result<Leaving, Error> {
        let mut leaving = Leaving::new(self);
        for segment in gone {
            let needs_snapshot = segment.end_offset.get() >= start;
            segment.ending.set(if needs_snapshot { Ending::Snapshot } else { Ending::Nothing });
            while segment.is_ending.get() {
                self.finished.wait().await;
            }
            segment.cool_down();
            segment.close_writer();
            for suffix in names::SEGMENT_SUFFIXES {
                let path = segment.path(suffix);
                // The snapshot where the log now begins may still be needed.
                let keeps = suffix == names::SNAPSHOT && segment.base_offset >= start;
                if keeps || !file::exists(&path).await.at(&path)? {
                    continue;
                }
                match file::rename(&path, &names::deleted(&path)).await {
                    // A longer name may need room, which a removal makes.
                    Err(error) if file::is_full(&error) => {
                        file::remove_file(&path).await.at(&path)?
                    }
                    renamed => {
                        renamed.at(&path)?;
                        leaving.add(&segment, suffix, names::deleted(&path));
                    }
                }
            }
        }
        file::sync_dir(&self.dir).await.at(&self.dir)?;
        Ok(leaving)
    }

    /// Waits until it is written down who produced up to the end of a segment: what could tell it
    /// again is about to go. Where there is no room for that, deleting makes some, and a crash before
    /// it is written takes what is known of the latest producers.
    async fn snapshot_kept(&self, last: &Segment) -> Result<(), Error> {
        let waits = || last.awaits_end.get() && !last.is_starved.get() && self.failure().is_none();
        while waits() {
            self.finished.wait().await;
        }
        self.failure().map_or(Ok(()), Err)
    }

    /// Takes the log offline and removes its directory, by way of a name that no log has.
    pub async fn delete(&self) -> Result<(), Error> {
        self.fail(Error::closed(&self.dir));
        self.spares.end();
        self.cleaning.end().await;
        while self.finishing.get() > 0 {
            self.finished.wait().await;
        }
        remove_partition(&self.dir).await
    }
}

/// Removes the directory of a partition that is not open, if it is there.
pub async fn remove_partition(dir: &Path) -> Result<(), Error> {
    match put_aside(dir).await? {
        Some(aside) => file::remove_dir_all(&aside).await.at(&aside),
        None => Ok(()),
    }
}

/// Gives the directory of a partition that is not open, if it is there, the name of one that waits
/// for its removal, durably; yields that name.
pub async fn put_aside(dir: &Path) -> Result<Option<PathBuf>, Error> {
    if !file::exists(dir).await.at(dir)? {
        return Ok(None);
    }
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    let number = Prng::new(rt::unix_ms() as u64 ^ rt::now().as_nanos()).next_u64();
    name.push(format!(".{number:032x}{}", names::DELETED_DIR));
    let aside = dir.with_file_name(name);
    rename_dir(dir, &aside).await?;
    Ok(Some(aside))
}

/// Gives a partition's directory another name beside it, durably.
pub async fn rename_dir(from: &Path, to: &Path) -> Result<(), Error> {
    file::rename(from, to).await.at(from)?;
    match from.parent() {
        Some(parent) => file::sync_dir(parent).await.at(parent),
        None => Ok(()),
    }
}

pub(super) async fn remove_if_there(path: &Path) -> Result<(), Error> {
    match file::remove_file(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.at(path),
    }
}

/// What cannot be removed now is removed by the next open.
pub(super) async fn remove_later(paths: Vec<PathBuf>, delay: Duration) {
    rt::sleep(delay).await;
    for path in paths {
        let _ = file::remove_file(&path).await;
    }
}
