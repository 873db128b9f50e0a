//! One sync of a file at a time. Of two that are under way together the kernel tells only one that
//! it failed, and the other would promise what was lost; after a failure no other may succeed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::base::planted;
use crate::base::signal::Broadcast;
use crate::log::error::Error;

#[derive(Default)]
pub(in crate::log) struct SyncGate {
    busy: Cell<bool>,
    freed: Broadcast,
    failed: RefCell<Option<Error>>,
}

/// The right to sync, until it ends or is dropped.
pub(in crate::log) struct SyncTurn(Rc<SyncGate>);

impl SyncGate {
    /// `None` while another sync is under way.
    pub(in crate::log) fn try_begin(self: &Rc<Self>) -> Option<SyncTurn> {
        let may = !self.busy.replace(true) || planted::is("sync-a-file-twice-at-once");
        may.then(|| SyncTurn(self.clone()))
    }

    /// Waits for the sync that is under way, if one is. An error is that of an earlier sync.
    pub(in crate::log) async fn begin(self: &Rc<Self>) -> Result<SyncTurn, Error> {
        loop {
            if let Some(error) = self.failed.borrow().clone() {
                return Err(error);
            }
            match self.try_begin() {
                Some(turn) => return Ok(turn),
                None => self.freed().await,
            }
        }
    }

    /// Waits for the end of the sync that is under way.
    pub(in crate::log) async fn freed(&self) {
        if self.busy.get() {
            self.freed.wait().await;
        }
    }
}

impl SyncTurn {
    pub(in crate::log) fn end(self, result: Result<(), Error>) -> Result<(), Error> {
        if let Err(error) = &result {
            self.0.failed.borrow_mut().get_or_insert(error.clone());
        }
        result
    }
}

impl Drop for SyncTurn {
    fn drop(&mut self) {
        self.0.busy.set(false);
        self.0.freed.raise();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::rt;
    use crate::rt::sim::Sim;

    #[test]
    fn one_sync_at_a_time_and_none_after_a_failure() {
        Sim::new(1).run(async {
            let gate = Rc::<SyncGate>::default();
            let first = gate.begin().await.expect("nobody syncs");
            assert!(gate.try_begin().is_none());
            let waiting = gate.clone();
            let second = rt::spawn(async move { waiting.begin().await.is_err() });
            rt::sleep(Duration::from_secs(1)).await;
            assert!(first.end(Err(Error::closed(Path::new("a file")))).is_err());
            assert!(second.await, "it would succeed");
        });
    }
}
