//! A thread beside each core for the rare system calls that the ring cannot make.

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;

use super::super::bell::Bell;
use super::super::inbox::lock;
use super::core;

type Job = Box<dyn FnOnce() + Send>;

/// Where the core lays down jobs; the thread ends with it.
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
    bell: Arc<Bell>,
}

impl Worker {
    /// Begins the thread, which runs where its maker may.
    pub fn new(core: usize) -> io::Result<Worker> {
        let (jobs, to_do) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name(format!("blocking-{core}"))
            .spawn(move || to_do.iter().for_each(|job| job()))?;
        Ok(Worker { jobs, bell: Arc::new(Bell::new()?) })
    }
}

/// Runs it beside the core; a panic of it is the caller's.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let core = core();
    let Worker { jobs, bell } = &core.worker;
    let slot = Arc::new(Mutex::new(None));
    let (filled, rung) = (slot.clone(), bell.clone());
    let job = Box::new(move || {
        let result = catch_unwind(AssertUnwindSafe(work));
        *lock(&filled) = Some(result);
        rung.ring();
    });
    jobs.send(job).expect("the thread lives as long as the core");
    let ear = core.ear(bell);
    let ready: super::ear::Ready = {
        let slot = slot.clone();
        Rc::new(move || lock(&slot).is_some())
    };
    let result = poll_fn(|cx| match lock(&slot).take() {
        Some(result) => Poll::Ready(result),
        None => {
            ear.wait(&ready, cx.waker());
            Poll::Pending
        }
    });
    result.await.unwrap_or_else(|panic| resume_unwind(panic))
}
