//! A load generator as the rounds see it: our own, or one of the drivers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use crate::driver::{Nanos, NewTopic, Result};
use crate::tally::{Tally, Window};
use crate::workload::Durability;

/// What runs in one stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Job {
    /// Records a second of all producers; 0 for as fast as it goes. `None` without producers.
    pub rate: Option<f64>,
    /// Subscriptions of the workload that read.
    pub readers: Option<Readers>,
    /// Subscriptions of each topic that read what is there already, over and over.
    pub catch_up: u32,
    pub connections_per_second: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Begin with what comes.
    Tail,
    /// Begin with what is there.
    Drain,
}

pub trait Client {
    /// `lean`, `librdkafka`, or the driver's.
    fn name(&self) -> String;

    /// The broker's version; `None` where it cannot be asked.
    fn version(&mut self) -> Option<String>;

    /// Why the work cannot be done; `None` when it can.
    fn cannot(&self) -> Option<String>;

    fn create_topics(&mut self, topics: &[NewTopic], durability: Option<Durability>) -> Result<()>;

    /// Writes one record to a topic that is there, and returns when it is acknowledged.
    fn first_record(&mut self, topic: &NewTopic) -> Result<()>;

    /// Begins with the topics that were created; returns when everything is connected and the
    /// schedule has begun.
    fn start(&mut self, job: &Job, window: &Arc<Window>) -> Result<Running>;
}

/// Threads at work.
pub struct Running {
    pub window: Arc<Window>,
    pub threads: Vec<JoinHandle<Result<Tally>>>,
    /// How many of them count in `Window::finished`.
    pub counting: u64,
    /// When the first record is due, and readers begin.
    pub start: Nanos,
}

impl Running {
    /// Whether everything that was due has been answered.
    pub fn is_finished(&self) -> bool {
        self.window.finished.load(Ordering::Relaxed) >= self.counting
    }

    /// Whether a thread has ended before it was asked to, which it does only for an error.
    pub fn has_failed(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Stops all threads and adds up what they saw.
    pub fn stop(self) -> Result<Tally> {
        self.window.stop.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        let mut failure = None;
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(theirs)) => tally.merge(theirs),
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(_) => failure = failure.or(Some("a thread of the client panicked".into())),
            }
        }
        failure.map_or(Ok(tally), Err)
    }
}
