//! Syncs that are due by the clock (Kafka: `flush.ms`), for topics whose level asks for none. A partition
//! has a timer only while it holds something that is not synced: an idle one sleeps.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::partition::Partition;
use crate::base::planted;
use crate::base::signal::Broadcast;
use crate::model::DurabilityLevel;
use crate::rt;

/// Shorter intervals are this one, and longer ones the other.
const EVERY_MIN: Duration = Duration::from_millis(1);
const EVERY_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[derive(Default)]
pub(super) struct ForcedSync {
    /// `None`: nobody asked for it, or every record is synced anyway.
    every: Cell<Option<Duration>>,
    is_timed: Cell<bool>,
    changed: Broadcast,
}

impl Partition {
    /// What is appended is synced after `flush_ms` at the latest.
    pub fn set_flush_ms(self: &Rc<Self>, flush_ms: i64, level: DurabilityLevel) {
        let is_asked = flush_ms < i64::MAX && level < DurabilityLevel::Synced;
        let every = Duration::from_millis(flush_ms.max(0) as u64).clamp(EVERY_MIN, EVERY_MAX);
        let every = is_asked.then_some(every);
        if self.forced_sync.every.replace(every) != every {
            self.forced_sync.changed.raise();
            self.time_sync();
        }
    }

    pub(super) fn end_forced_syncs(&self) {
        self.forced_sync.every.set(None);
        self.forced_sync.changed.raise();
    }

    /// Sets the timer, unless it runs or nothing needs one.
    #[inline]
    pub(super) fn time_sync(self: &Rc<Self>) {
        if self.forced_sync.every.get().is_some() && !self.forced_sync.is_timed.replace(true) {
            let partition = self.clone();
            rt::spawn(async move { partition.sync_by_the_clock().await }).detach();
        }
    }

    async fn sync_by_the_clock(self: Rc<Self>) {
        while let Some(every) = self.forced_sync.every.get()
            && self.log().is_unsynced()
        {
            let changed = rt::timeout(every, self.forced_sync.changed.wait()).await;
            if changed.is_none() && !planted::is("forget-flush-ms") {
                // Whatever comes after this waits for the next round.
                self.log().ask_sync();
                self.flush();
            }
        }
        self.forced_sync.is_timed.set(false);
    }
}
