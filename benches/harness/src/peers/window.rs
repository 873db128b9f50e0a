//! Messages that are sent and not acknowledged yet: how many there may be, and the wait for the last.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::driver::Result;

/// A broker that answers nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Shared by a producer and whoever hears its acknowledgements.
pub struct Window {
    most: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: u64,
    failed: Option<String>,
}

impl Window {
    pub fn new(most: u64) -> Window {
        Window { most, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Whether one more would have to wait.
    pub fn is_full(&self) -> bool {
        self.lock().open >= self.most
    }

    /// One more; waits while there are as many as may be.
    pub fn enter(&self) -> Result<()> {
        let mut state = self.wait(|state| state.open >= self.most)?;
        state.open += 1;
        Ok(())
    }

    pub fn leave(&self, count: u64) {
        let mut state = self.lock();
        let was = state.open;
        state.open = was.saturating_sub(count);
        // Whoever waits for room, or for the end.
        if was >= self.most || state.open == 0 {
            self.changed.notify_all();
        }
    }

    /// Nothing will be acknowledged any more; the first reason stays.
    pub fn fail(&self, reason: &str) {
        let mut state = self.lock();
        state.failed.get_or_insert_with(|| reason.to_owned());
        self.changed.notify_all();
    }

    pub fn drained(&self) -> Result<()> {
        self.wait(|state| state.open > 0).map(drop)
    }

    fn wait(&self, mut busy: impl FnMut(&State) -> bool) -> Result<MutexGuard<'_, State>> {
        let busy = |state: &mut State| state.failed.is_none() && busy(state);
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, busy);
        let (state, timeout) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(reason) = &state.failed {
            return Err(reason.clone().into());
        }
        if timeout.timed_out() {
            let seconds = PATIENCE.as_secs();
            return Err(format!("{} messages unacknowledged for {seconds} s", state.open).into());
        }
        Ok(state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The count stays true whatever a thread died of.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn the_last_place_is_waited_for() {
        let window = Arc::new(Window::new(2));
        window.enter().unwrap();
        assert!(!window.is_full());
        window.enter().unwrap();
        assert!(window.is_full());
        let third = thread::spawn({
            let window = window.clone();
            move || window.enter().map_err(|error| error.to_string())
        });
        thread::sleep(Duration::from_millis(20));
        assert!(!third.is_finished());
        window.leave(1);
        third.join().unwrap().unwrap();
        window.leave(2);
        window.drained().unwrap();
    }

    #[test]
    fn a_failure_ends_every_wait() {
        let window = Window::new(1);
        window.enter().unwrap();
        window.fail("gone");
        window.fail("later");
        assert_eq!(window.enter().unwrap_err().to_string(), "gone");
        assert_eq!(window.drained().unwrap_err().to_string(), "gone");
    }
}
