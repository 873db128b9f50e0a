//! What the cores of a process write to its disks, for readers of old data: they let it pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes and flushes of all cores together.
#[derive(Clone, Default)]
pub(super) struct Writing(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Writing {
    pub fn begin(&self) {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// So far; who sees the number change knows that there are writers.
    pub fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    pub fn is_under_way(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed) != self.begun()
    }
}
