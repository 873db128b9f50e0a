//! What a broker that does not speak Kafka's protocol must offer to be measured, shaped after the
//! driver notion of OpenMessaging Benchmark.
//!
//! Everything here is synchronous. A driver whose client library is asynchronous owns its runtime
//! and keeps it on the threads that inherit the affinity of whoever opened the driver: all of them
//! count as the client's. The engine paces: it calls `send` when a message is due (or at once when it
//! is late), from one pinned thread per producer group. Times are never a driver's business: it
//! carries `Message::due` to the acknowledgement, and the payload to the consumer, both untouched.
//!
//! Drivers are found by name: `driverClass` of an OpenMessaging driver file, or our key `driver`; the
//! list stands in `drivers/mod.rs`.

use std::sync::Arc;

use crate::workload::{Durability, Workload};

/// What went wrong, to be shown to the user as it is.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A moment: nanoseconds since 1970 by the client's clock, which never jumps (`clock::now`).
/// The first eight bytes of every payload hold, big-endian, when the message was due.
pub type Nanos = u64;

/// A topic to be made. What durability means is told by the driver file (`durability:`).
#[derive(Clone, Debug)]
pub struct NewTopic {
    pub name: String,
    pub partitions: u32,
}

/// Where a producer belongs.
#[derive(Clone, Debug)]
pub struct ProducerSeat {
    /// Counts through all producers of the run.
    pub number: usize,
    pub topic: String,
    pub partitions: u32,
}

/// Where a consumer belongs. Those of one subscription share its messages between them; each
/// subscription sees all.
#[derive(Clone, Debug)]
pub struct ConsumerSeat {
    /// Counts through all consumers of the run.
    pub number: usize,
    pub topic: String,
    pub partitions: u32,
    pub subscription: String,
    /// Of this subscription: this consumer's place, and how many there are.
    pub index: u32,
    pub of: u32,
    pub from: From,
}

/// Where a new subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With what comes after this call has returned.
    Tail,
    /// With the first message that the topic still holds.
    Beginning,
}

/// One message, to be sent as it is.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub key: Option<&'a [u8]>,
    pub payload: &'a [u8],
    /// When it was due; to be given back with the acknowledgement.
    pub due: Nanos,
}

/// Called for every message that was sent, from any thread, once: when the broker has promised what
/// the workload's durability asks for.
pub trait Acknowledged: Send + Sync {
    fn acknowledged(&self, due: Nanos, outcome: Result<(), String>);
}

/// Called for every message that a consumer gets, from any thread.
pub trait Received: Send + Sync {
    fn received(&self, payload: &[u8]);
}

/// A peer, connected; opened anew for each round.
pub trait Driver: Send {
    /// The broker's own version, as it tells it.
    fn version(&mut self) -> Result<String>;

    /// Why this work cannot be done with this broker or this driver; `None` when it can. The cell of
    /// the comparison then says so.
    fn cannot(&self, workload: &Workload) -> Option<String>;

    /// Makes the topics with the durability that is asked for, and returns when they can be used.
    fn create_topics(&mut self, topics: &[NewTopic], durability: Option<Durability>) -> Result<()>;

    fn producer(
        &mut self,
        seat: &ProducerSeat,
        listener: Arc<dyn Acknowledged>,
    ) -> Result<Box<dyn Producer>>;

    /// The subscription stands when this returns.
    fn consumer(
        &mut self,
        seat: &ConsumerSeat,
        listener: Arc<dyn Received>,
    ) -> Result<Box<dyn Consumer>>;
}

/// Sends messages to one topic. May block while the client's own queue is full: the schedule then
/// slips, and every message that was due meanwhile is charged for it.
pub trait Producer: Send {
    fn send(&mut self, message: Message<'_>) -> Result<()>;

    /// Nothing is due for a moment: what is better done now than later (polling, flushing of a batch).
    fn idle(&mut self) {}

    /// Returns when every message has been acknowledged, or with the reason why not.
    fn flush(&mut self) -> Result<()>;
}

/// A consumer delivers by its listener until it is dropped.
pub trait Consumer: Send {}
