//! Putting a cleaned segment into the place of those it was made of, so that a crash at any point
//! leaves either them or it (Kafka: LocalLog.replaceSegments).
//!
//! ```text
//! 1  .log.cleaned -> .log.swap, and its indexes     a crash before the last: undone by the next open
//! 2  the old files -> .deleted                      a crash from here on: completed by the next open
//! 3  .log.swap -> .log, and its indexes
//! 4  the directory is synced                        only then anything is built on it
//! ```
//!
//! In memory the list of segments changes after 4, and what the tail still has of the old ones is
//! served no more; until then readers go on with the old ones, which are pinned. Removed files stay for `file.delete.delay.ms`.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::target::files_with;
use crate::base::planted;
use crate::log::delete::remove_later;
use crate::log::error::{At, Error};
use crate::log::segment::Segment;
use crate::log::{Log, names};
use crate::rt::{self, file};

impl Log {
    /// False when the old segments are no longer what the log consists of: nothing was done.
    pub(super) async fn swap_in(&self, new: Segment, old: &[Rc<Segment>]) -> Result<bool, Error> {
        let _turn = self.reshape().await;
        if !self.consists_of(old) {
            return Ok(false);
        }
        for segment in old {
            while segment.is_ending.get() {
                self.finished.wait().await;
            }
            segment.pin().await?;
        }
        let mut step = Step { log: self, is_whole: false };
        let removed = match self.rename_all(&new, old).await {
            Ok(removed) => removed,
            Err(error) => {
                self.fail(error.clone());
                return Err(error);
            }
        };
        self.pass_over(old);
        let replaced = &self.cleaning.replaced;
        replaced.set(replaced.get().max(new.end_offset.get()));
        {
            let mut segments = self.segments.borrow_mut();
            let at = segments.iter().position(|segment| Rc::ptr_eq(segment, &old[0]));
            let at = at.expect("nobody else has the turn");
            segments.splice(at..at + old.len(), [Rc::new(new)]);
        }
        step.is_whole = true;
        let delay = Duration::from_millis(self.settings.get().file_delete_delay_ms);
        rt::spawn_background(remove_later(removed, delay)).detach();
        Ok(true)
    }

    /// Whether `run` is a run of the log's segments.
    pub(in crate::log) fn consists_of(&self, run: &[Rc<Segment>]) -> bool {
        let segments = self.segments.borrow();
        let at = segments.iter().position(|segment| Rc::ptr_eq(segment, &run[0]));
        let here = at.and_then(|at| segments.get(at..at + run.len()));
        here.is_some_and(|here| here.iter().zip(run).all(|(a, b)| Rc::ptr_eq(a, b)))
    }

    async fn rename_all(&self, new: &Segment, old: &[Rc<Segment>]) -> Result<Vec<PathBuf>, Error> {
        let files = files_with(new, names::CLEANED).await?;
        for path in &files {
            let (from, to) = (names::with(path, names::CLEANED), names::with(path, names::SWAP));
            file::rename(&from, &to).await.at(&from)?;
        }
        let mut removed = Vec::new();
        for segment in old {
            for suffix in names::SEGMENT_SUFFIXES {
                // The snapshot where the new one begins says that the one before it is finished.
                let keeps = suffix == names::SNAPSHOT && segment.base_offset == new.base_offset;
                let path = segment.path(suffix);
                if !keeps && file::exists(&path).await.at(&path)? {
                    file::rename(&path, &names::deleted(&path)).await.at(&path)?;
                    removed.push(names::deleted(&path));
                }
            }
        }
        for path in &files {
            let from = names::with(path, names::SWAP);
            file::rename(&from, path).await.at(&from)?;
        }
        if !planted::is("swap-without-syncing-the-directory") {
            file::sync_dir(&self.dir).await.at(&self.dir)?;
        }
        Ok(removed)
    }
}

/// Between the first rename and the last the files are not what memory says: whoever stops there
/// takes the log offline, and opening it again completes the step.
struct Step<'a> {
    log: &'a Log,
    is_whole: bool,
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        if !self.is_whole {
            let cut_short = std::io::Error::other("the replacing of segments was cut short");
            self.log.fail(Error::io(&self.log.dir, None, &cut_short));
        }
    }
}
