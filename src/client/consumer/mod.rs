//! Reads records of one topic from given offsets on: a task for each leader keeps one fetch under
//! way for all partitions it is asked about, and what comes is queued up to a bound.
//!
//! Within a partition records come in order and once; between partitions as they arrive.

mod fetched;
mod fetcher;
mod session;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::base::signal::{Broadcast, Signal};
use crate::client::routes::Routes;
use crate::client::{Cluster, Error, Isolation, Result, Topic};
use crate::model::{BrokerId, Offset};
use crate::rt::{self, Task};
pub use fetched::{ConsumedRecord, Fetched};

#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    pub isolation: Isolation,
    /// How long the broker may wait for records before it answers with none.
    pub wait_max: Duration,
    /// Bytes of one answer, and of one partition in it.
    pub fetch_bytes_max: i32,
    pub partition_bytes_max: i32,
    /// Bytes that wait to be taken; beyond, nothing is fetched.
    pub queue_bytes_max: usize,
    /// Lets the broker remember what is read, so that requests name only what changed (KIP-227).
    pub sessions: bool,
}

impl Default for ConsumerOptions {
    fn default() -> ConsumerOptions {
        ConsumerOptions {
            isolation: Isolation::ReadUncommitted,
            wait_max: Duration::from_millis(500),
            fetch_bytes_max: 16 << 20,
            partition_bytes_max: 4 << 20,
            queue_bytes_max: 32 << 20,
            sessions: true,
        }
    }
}

/// Where one partition is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    pub partition: i32,
    pub offset: Offset,
    /// The first offset that is not read any more; `None` reads for ever.
    pub end: Option<Offset>,
}

/// What reading brings.
#[derive(Debug)]
pub enum Event {
    Records(Fetched),
    /// Records up to `to` were removed before they were read.
    Skipped {
        partition: i32,
        from: Offset,
        to: Offset,
    },
    /// Something failed that may pass: it is tried again. Told once until something comes.
    Trouble(Error),
    /// Every partition is read to its end.
    End,
}

/// A partition's place between what was fetched and what will be.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    offset: Offset,
    end: Option<Offset>,
}

impl Cursor {
    fn is_done(&self) -> bool {
        self.end.is_some_and(|end| self.offset >= end)
    }
}

/// What the fetchers of a consumer share.
struct Shared {
    routes: Routes,
    options: ConsumerOptions,
    cursors: RefCell<BTreeMap<i32, Cursor>>,
    queue: RefCell<VecDeque<Event>>,
    queued_bytes: Cell<usize>,
    failure: RefCell<Option<Error>>,
    arrived: Signal,
    /// Room in the queue, or another leader.
    changed: Broadcast,
}

pub struct Consumer {
    shared: Rc<Shared>,
    fetchers: RefCell<BTreeMap<BrokerId, Task<()>>>,
}

impl Consumer {
    /// Reads `topic` (as `Cluster::topic` told it) from these places on.
    pub fn new(
        cluster: Rc<Cluster>,
        name: &str,
        topic: Topic,
        starts: &[Start],
        options: ConsumerOptions,
    ) -> Consumer {
        let cursor =
            |start: &Start| (start.partition, Cursor { offset: start.offset, end: start.end });
        let shared = Shared {
            routes: Routes::new(cluster, name, topic),
            options,
            cursors: RefCell::new(starts.iter().map(cursor).collect()),
            queue: RefCell::default(),
            queued_bytes: Cell::new(0),
            failure: RefCell::default(),
            arrived: Signal::default(),
            changed: Broadcast::default(),
        };
        Consumer { shared: Rc::new(shared), fetchers: RefCell::default() }
    }

    /// The next event. After an error there is none.
    pub async fn next(&self) -> Result<Event> {
        let shared = &self.shared;
        loop {
            if let Some(event) = shared.queue.borrow_mut().pop_front() {
                if let Event::Records(fetched) = &event {
                    shared.queued_bytes.set(shared.queued_bytes.get() - fetched.bytes());
                    shared.changed.raise();
                }
                return Ok(event);
            }
            if let Some(error) = shared.failure.borrow().clone() {
                return Err(error);
            }
            if shared.cursors.borrow().values().all(Cursor::is_done) {
                return Ok(Event::End);
            }
            self.start_fetchers();
            shared.arrived.wait().await;
        }
    }

    /// Makes sure that every leader has a fetcher. One without partitions waits for some.
    fn start_fetchers(&self) {
        let shared = &self.shared;
        let mut fetchers = self.fetchers.borrow_mut();
        for &partition in shared.cursors.borrow().keys() {
            // Without a leader a fetcher of its own asks for news.
            let leader = shared.routes.leader(partition);
            let leader = leader.map_or(fetcher::NOBODY, |(leader, _)| leader);
            fetchers
                .entry(leader)
                .or_insert_with(|| rt::spawn(fetcher::run(shared.clone(), leader)));
        }
    }
}

impl Shared {
    fn push(&self, event: Event) {
        if let Event::Records(fetched) = &event {
            self.queued_bytes.set(self.queued_bytes.get() + fetched.bytes());
        }
        self.queue.borrow_mut().push_back(event);
        self.arrived.raise();
    }

    fn fail(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
        self.arrived.raise();
    }
}
