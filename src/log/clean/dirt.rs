//! How dirty a log is, by its segments' sizes and times; the rules are [`policy`]'s.

use std::rc::Rc;

use super::policy::{self, Bounds, Filth, Part};
use crate::log::Log;
use crate::log::error::Error;
use crate::log::segment::Segment;
use crate::log::settings::Compaction;
use crate::model::Offset;

impl Log {
    /// How dirty the log is, if it is dirty enough to be cleaned.
    pub async fn filth(&self) -> Result<Option<Filth>, Error> {
        let filth = self.filth_below(Offset::MAX).await;
        self.cleaning.has_failed.set(self.cleaning.has_failed.get() || filth.is_err());
        filth
    }

    pub(super) async fn filth_below(&self, limit: Offset) -> Result<Option<Filth>, Error> {
        let Some(compaction) = self.settings.get().compaction else { return Ok(None) };
        if self.cleaning.has_failed.get() || self.failure().is_some() {
            return Ok(None);
        }
        let (segments, active_base_offset) = self.finished_below(limit);
        let mut parts = Vec::with_capacity(segments.len());
        for segment in &segments {
            let learnt = learn(segment, &compaction).await;
            if learnt.is_err() && !self.consists_of(std::slice::from_ref(segment)) {
                // It was deleted meanwhile; the next look sees the others.
                return Ok(None);
            }
            learnt?;
            parts.push(Part {
                base_offset: segment.base_offset,
                bytes: segment.len.get(),
                max_timestamp: segment.max_timestamp.get(),
                first_timestamp: segment.first_timestamp.get(),
            });
        }
        let bounds = Bounds {
            log_start_offset: self.log_start_offset.get(),
            log_end_offset: self.end_offset.get(),
            last_stable_offset: self.last_stable_offset(),
            active_base_offset,
        };
        let now_ms = self.budget.steady_ms();
        let filth = policy::measure(&parts, self.cleaned_offset(), &bounds, &compaction, now_ms);
        Ok(filth.is_due(&compaction).then_some(filth))
    }

    /// The finished segments from the first on that end at or below `limit`, and where the one
    /// behind them begins.
    pub(super) fn finished_below(&self, limit: Offset) -> (Vec<Rc<Segment>>, Offset) {
        let segments = self.segments.borrow();
        let ends_below =
            |pair: &[Rc<Segment>]| pair[0].finished.get() && pair[1].base_offset <= limit;
        let count = segments.windows(2).take_while(|pair| ends_below(pair)).count();
        (segments[..count].to_vec(), segments[count].base_offset)
    }
}

async fn learn(segment: &Segment, compaction: &Compaction) -> Result<(), Error> {
    if compaction.min_lag_ms > 0 {
        segment.learn_timestamps().await?;
    }
    if compaction.max_lag_ms < i64::MAX {
        segment.learn_first_timestamp().await?;
    }
    Ok(())
}
