//! The runtime of drivers whose client library is asynchronous, and how its tasks give account.

use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Runtime};

use super::window::Window;
use crate::driver::{Acknowledged, Nanos, Result};

/// On the CPUs of whoever opens the driver, a thread for each.
pub fn start() -> Result<Runtime> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut builder = Builder::new_multi_thread();
    Ok(builder.worker_threads(threads).thread_name("peer client").enable_all().build()?)
}

/// A message that will be acknowledged, in one way or the other.
pub struct Promise {
    due: Option<Nanos>,
    listener: Arc<dyn Acknowledged>,
    window: Arc<Window>,
}

impl Promise {
    /// The window has been entered for it.
    pub fn new(due: Nanos, listener: &Arc<dyn Acknowledged>, window: &Arc<Window>) -> Promise {
        Promise { due: Some(due), listener: listener.clone(), window: window.clone() }
    }

    pub fn keep(mut self, outcome: Result<(), String>) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: Result<(), String>) {
        if let Some(due) = self.due.take() {
            self.listener.acknowledged(due, outcome);
            self.window.leave(1);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.end(Err("given up unacknowledged".into()));
    }
}
