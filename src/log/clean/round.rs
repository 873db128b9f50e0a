//! One cleaning of a log, from the look whether it is worth it to the last segment that is replaced;
//! and what ends it before.

use std::rc::Rc;

use super::group;
use super::retain::{self, Retention};
use super::source::Source;
use super::transactions::Transactions;
use super::{Cleaning, Means, run, target};
use crate::base::planted;
use crate::log::Log;
use crate::log::error::Error;
use crate::log::segment::Segment;
use crate::log::settings::Compaction;
use crate::model::Offset;
use crate::rt;

/// One cleaning under way; ends with its drop.
struct Round<'a>(&'a Cleaning);

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.0.is_under_way.set(false);
        self.0.ended.raise();
    }
}

/// Why a cleaning came to nothing.
pub(super) enum Stopped {
    /// It was told to, or the log has changed under it.
    Told,
    Fault(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped::Fault(error)
    }
}

impl Log {
    /// Cleans what may be cleaned, if it is worth it, and says up to where. `None` when there was
    /// nothing to do, or the cleaning was stopped. An error that is no full disk is the last: the
    /// log serves on as it is and is cleaned no more.
    pub async fn clean(&self, means: &Means) -> Result<Option<Offset>, Error> {
        if self.cleaning.is_under_way.replace(true) {
            return Ok(None);
        }
        let _round = Round(&self.cleaning);
        let stopped = match self.clean_round(means).await {
            Ok(None) => return Ok(None),
            Ok(Some(end)) => {
                self.cleaning.up_to.set(end);
                return Ok(Some(end));
            }
            Err(stopped) => stopped,
        };
        // What is left all the same is removed before the next cleaning, or by the next open. Where the
        // log has failed, the next open needs it: by that it tells half a replacement from a whole one.
        if self.failure().is_none() || planted::is("tidy-up-half-a-replacement") {
            let _ = target::remove_leftovers(&self.dir).await;
        }
        match stopped {
            Stopped::Fault(error) if !self.failure().is_some_and(|failure| failure.is_closed()) => {
                self.cleaning.has_failed.set(!error.is_disk_full());
                Err(error)
            }
            _ => Ok(None),
        }
    }

    async fn clean_round(&self, means: &Means) -> Result<Option<Offset>, Stopped> {
        let Some(filth) = self.filth_below(self.cleaning.checkpointed.get()).await? else {
            return Ok(None);
        };
        // No checkpoint to come shall speak of what is cleaned now.
        self.prepare_checkpoint().await?;
        target::remove_leftovers(&self.dir).await?;
        let compaction = self.go_on(means)?;
        let now_ms = self.budget.steady_ms();
        let (mut segments, _) = self.finished_below(filth.first_uncleanable_offset);
        let keys = self.learn_keys(&segments, &filth, means).await?;
        let end = keys.latest() + 1;
        if end <= filth.first_dirty_offset {
            // What was dirty was deleted meanwhile.
            return Ok(None);
        }
        let mut ends: Vec<Offset> = segments.iter().map(|one| one.base_offset).skip(1).collect();
        ends.push(filth.first_uncleanable_offset);
        segments.retain(|segment| segment.base_offset < end);
        let sizes: Vec<group::Size> = segments.iter().map(|one| run::size_of(one)).collect();
        let settings = self.settings.get();
        let index_bytes_max = settings.segment_index_bytes;
        let last = segments.len().checked_sub(1).map_or(end, |last| ends[last]);
        let runs = group::runs(&sizes, last, settings.segment_bytes, index_bytes_max);
        let mut transactions = Transactions::default();
        for run in runs {
            let run_end = ends[run.end - 1];
            let producers = retain::last_of(&self.producers.borrow());
            let rule = Retention {
                keys: &keys,
                producers: &producers,
                end_offset: run_end,
                now_ms,
                delete_retention_ms: compaction.delete_retention_ms,
            };
            self.clean_run(&segments[run], &rule, &mut transactions, means).await?;
        }
        Ok(Some(end))
    }

    /// Fails when the cleaning shall end; the settings that hold otherwise.
    pub(super) fn go_on(&self, means: &Means) -> Result<Compaction, Stopped> {
        let is_over = !means.is_allowed.get() || self.cleaning.must_end.get();
        match self.settings.get().compaction {
            Some(compaction) if !is_over && self.failure().is_none() => Ok(compaction),
            _ => Err(Stopped::Told),
        }
    }

    /// Between two batches: lets others run, and looks whether to go on.
    pub(super) async fn pause(&self, means: &Means, bytes: u64) -> Result<(), Stopped> {
        if bytes > 0 {
            means.spend(bytes).await;
        }
        if rt::should_yield() {
            rt::yield_now().await;
        }
        self.go_on(means).map(drop)
    }

    /// A segment may be deleted while it waits its turn: then the cleaning has lost its ground.
    pub(super) async fn open_source(
        &self,
        segment: &Rc<Segment>,
        position: u64,
    ) -> Result<Source, Stopped> {
        let opened = Source::open(segment, position).await;
        opened.map_err(|error| self.stopped_at(segment, error))
    }

    pub(super) fn stopped_at(&self, segment: &Rc<Segment>, error: Error) -> Stopped {
        match self.consists_of(std::slice::from_ref(segment)) {
            true => Stopped::Fault(error),
            false => Stopped::Told,
        }
    }
}
