//! Producers and consumers that go on through whatever happens to the broker, and record what they
//! see. Each is a thread with a number and dice of its own.

mod consumer;
mod idempotent;
mod mover;
mod plain;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, RwLockWriteGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringmain::base::prng::Prng;

use crate::client::Client;
use crate::history::{Event, Key, Recorder};
use crate::power::TRIMMED;
use crate::topics::Topic;

pub use consumer::Consumer;
pub use idempotent::Idempotent;
pub use mover::Mover;
pub use plain::Plain;

/// Between attempts to reach a broker that is away.
const PAUSE: Duration = Duration::from_millis(3);

/// One thread's role.
pub trait Work: Send + 'static {
    /// Works on one connection until it breaks (an error) or is given up (not one), or until
    /// `worker.is_stopped()`.
    fn connection(&mut self, worker: &mut Worker, client: Client) -> io::Result<()>;
}

/// What every role has.
pub struct Worker {
    pub number: u32,
    pub dice: Prng,
    pub topic: Topic,
    pub partition: i32,
    recorder: Recorder,
    stopped: Arc<AtomicBool>,
    next_value: u64,
}

impl Worker {
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub fn key(&self) -> Key {
        (self.topic.name.clone(), self.partition)
    }

    pub fn record(&self, event: Event) {
        self.recorder.record(self.number, event);
    }

    pub fn wrong(&self, what: impl ToString) {
        self.record(Event::Wrong { key: self.key(), what: what.to_string() });
    }

    /// So many values that nobody else has.
    pub fn new_values(&mut self, count: u64) -> Vec<u64> {
        let first = u64::from(self.number) << 32 | self.next_value;
        self.next_value += count;
        (first..first + count).collect()
    }

    /// Bounds what a run produces: the disk and the judges are not what is tested.
    pub fn breathe(&mut self) {
        thread::sleep(Duration::from_micros(self.dice.below(4000)));
    }

    /// One batch in twenty is large enough to be received in place; where records are deleted, one in
    /// three, so that whole segments go and come again.
    pub fn new_batch_shape(&mut self) -> (u64, usize) {
        let large_one_in = if self.topic.name == TRIMMED { 3 } else { 20 };
        match self.dice.below(large_one_in) {
            0 => (2, 20_000),
            _ => (1 + self.dice.below(4), self.dice.below(200) as usize),
        }
    }

    /// The lane that owns the partition, or any: a request on another lane must be served, too.
    fn address(&mut self) -> SocketAddr {
        let places = &self.topic.partitions;
        let any = self.dice.below(places.len() as u64) as usize;
        if self.dice.chance(1, 4) {
            places[any].address
        } else {
            places[self.partition as usize].address
        }
    }
}

/// The workers of one generation of topics.
pub struct Load {
    stopped: Arc<AtomicBool>,
    /// Held for reading while a worker has a connection.
    gate: Arc<RwLock<()>>,
    threads: Vec<JoinHandle<()>>,
    recorder: Recorder,
    first: u32,
}

impl Load {
    pub fn new(recorder: Recorder) -> Load {
        Load::numbered_from(1, recorder)
    }

    /// Workers count up from `first`: values of different loads must differ.
    pub fn numbered_from(first: u32, recorder: Recorder) -> Load {
        let (stopped, gate) = (Arc::default(), Arc::default());
        Load { stopped, gate, threads: Vec::new(), recorder, first }
    }

    pub fn add(&mut self, topic: &Topic, partition: i32, seed: u64, mut work: impl Work) {
        let mut worker = Worker {
            number: self.first + self.threads.len() as u32,
            dice: Prng::new(seed ^ (self.threads.len() as u64) << 48),
            topic: topic.clone(),
            partition,
            recorder: self.recorder.clone(),
            stopped: self.stopped.clone(),
            next_value: 0,
        };
        let gate = self.gate.clone();
        self.threads.push(thread::spawn(move || {
            while !worker.is_stopped() {
                let passed = gate.read().expect("the gate");
                let address = worker.address();
                let ended = Client::connect(address)
                    .and_then(|client| work.connection(&mut worker, client));
                drop(passed);
                if ended.is_err() {
                    thread::sleep(PAUSE);
                }
            }
        }));
    }

    /// Waits until nobody has a connection, and keeps it so.
    pub fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().expect("the gate")
    }

    /// Ends all workers; the broker must be there or its connections broken.
    pub fn stop(self) {
        self.stopped.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a worker does not panic");
        }
    }
}
