//! What is there before the readers come.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::answers::wait_for_answers;
use super::{BACKLOG_SECONDS, PAUSE};
use crate::client::{Client, Job};
use crate::clock;
use crate::driver::Result;
use crate::tally::Window;
use crate::workload::Workload;
use crate::yardstick::fetch::evict;

/// For the answers to what was sent last.
const GRACE_SECONDS: f64 = 25.0;

/// Writes as fast as it goes until there is enough; yields the records.
pub fn write(client: &mut dyn Client, workload: &Workload, gb: f64) -> Result<u64> {
    let window = Arc::new(Window::new(1.0));
    let wanted = (gb * 1e9 / workload.message_size.max(1) as f64).ceil() as u64;
    let job = Job { rate: Some(0.0), ..Job::default() };
    let running = client.start(&job, &window)?;
    let give_up = clock::now() + clock::nanos(BACKLOG_SECONDS);
    while window.acknowledged.load(Ordering::Relaxed) < wanted {
        if running.has_failed() || clock::now() > give_up {
            running.stop()?;
            return Err("the backlog could not be written".into());
        }
        std::thread::sleep(PAUSE);
    }
    window.end.store(clock::now(), Ordering::Relaxed);
    wait_for_answers(&running, 0, GRACE_SECONDS);
    running.stop()?;
    Ok(window.acknowledged.load(Ordering::Relaxed))
}

pub fn evict_all(dir: &Path) -> Result<()> {
    // Only clean pages can be dropped.
    rustix::fs::sync();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        match path.is_dir() {
            true => evict_all(&path)?,
            false => evict(&path)?,
        }
    }
    Ok(())
}
