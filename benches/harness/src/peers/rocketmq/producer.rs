//! Sends to the queues of a topic. Messages that are due together for one queue go in one request, as
//! RocketMQ recommends for throughput; what waits is sent as soon as nothing else is due and not too many
//! requests are unanswered.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::command::{self, Command};
use super::line::Line;
use super::message;
use crate::driver::{Acknowledged, Message, Nanos, Producer, ProducerSeat, Result};
use crate::peers::link::Link;
use crate::peers::partition::Partitioner;
use crate::peers::window::Window;

const GROUP: &str = "ringmain-bench";
/// Nothing of RocketMQ's own: as many as the RabbitMQ driver may have.
const UNACKNOWLEDGED_MAX: u64 = 10_000;
/// Well below the broker's `maxMessageSize` of 4 MiB.
const BATCH_BYTES: usize = 64 << 10;
const BATCH_MESSAGES: usize = 1_000;

/// Unanswered requests for a queue with which the next waits and grows, as with a producer of Kafka
/// (`max.in.flight.requests.per.connection`).
const REQUESTS_MAX: usize = 5;

/// The requests that are not answered, by their numbers.
type Sent = Arc<Mutex<BTreeMap<i32, Request>>>;

struct Request {
    queue: usize,
    due: Vec<Nanos>,
}

pub struct QueueProducer {
    topic: String,
    partitioner: Partitioner,
    queues: Vec<Batch>,
    opaque: i32,
    request: Vec<u8>,
    sent: Sent,
    window: Arc<Window>,
    link: Link,
}

/// What waits for one queue.
#[derive(Default)]
struct Batch {
    packed: Vec<u8>,
    due: Vec<Nanos>,
    /// The payload of the first, which goes unpacked when it stays alone.
    first: Vec<u8>,
}

impl QueueProducer {
    pub fn open(
        address: &str,
        seat: &ProducerSeat,
        listener: Arc<dyn Acknowledged>,
    ) -> Result<QueueProducer> {
        let line = Line::open(address)?;
        line.stream.set_read_timeout(None)?;
        let sent = Sent::default();
        let window = Arc::new(Window::new(UNACKNOWLEDGED_MAX));
        let link = {
            let (sent, window) = (sent.clone(), window.clone());
            Link::start(line.stream, move |heard| match heard.and_then(Command::read) {
                Ok(answer) => {
                    acknowledge(&answer, &sent, &*listener, &window);
                    Ok(())
                }
                Err(error) => {
                    window.fail(&error.to_string());
                    Err(error)
                }
            })?
        };
        Ok(QueueProducer {
            topic: seat.topic.clone(),
            partitioner: Partitioner::new(seat.partitions, seat.number),
            queues: (0..seat.partitions).map(|_| Batch::default()).collect(),
            opaque: 0,
            request: Vec::new(),
            sent,
            window,
            link,
        })
    }

    /// Adds what waits for a queue to what is written next.
    fn take(&mut self, queue: usize) -> io::Result<()> {
        let batch = &mut self.queues[queue];
        if batch.due.is_empty() {
            return Ok(());
        }
        let several = batch.due.len() > 1;
        let code = if several { command::SEND_BATCH_MESSAGE } else { command::SEND_MESSAGE_V2 };
        let body = if several { &mut batch.packed } else { &mut batch.first };
        self.opaque = self.opaque.wrapping_add(1);
        let command = Command {
            opaque: self.opaque,
            body: std::mem::take(body),
            ..Command::new(code).with(fields(&self.topic, queue, several))
        };
        let due = std::mem::take(&mut batch.due);
        batch.packed.clear();
        let request = Request { queue, due };
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).insert(self.opaque, request);
        command.write(&mut self.request)
    }

    fn write_all(&mut self) -> Result<()> {
        (0..self.queues.len()).try_for_each(|queue| self.take(queue))?;
        self.write()
    }

    fn is_busy(&self, queue: usize) -> bool {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.values().filter(|request| request.queue == queue).count() >= REQUESTS_MAX
    }

    fn write(&mut self) -> Result<()> {
        if !self.request.is_empty() {
            self.link.writer.write(&self.request)?;
            self.request.clear();
        }
        Ok(())
    }
}

/// The names of version 2 are letters, to be short.
fn fields(topic: &str, queue: usize, several: bool) -> serde_json::Value {
    let born = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    json!({
        "a": GROUP,
        "b": topic,
        "c": "TBW102",
        "d": "4",
        "e": queue.to_string(),
        "f": "0",
        "g": born.to_string(),
        "h": "0",
        "i": "",
        "j": "0",
        "k": "false",
        "l": "0",
        "m": several.to_string(),
    })
}

impl Producer for QueueProducer {
    fn send(&mut self, message: Message<'_>) -> Result<()> {
        if self.window.is_full() {
            // What waits here would be waited for.
            self.write_all()?;
        }
        self.window.enter()?;
        let queue = self.partitioner.pick(message.key) as usize;
        let batch = &mut self.queues[queue];
        if batch.due.is_empty() {
            batch.first.clear();
            batch.first.extend(message.payload);
        }
        message::pack(&mut batch.packed, message.payload);
        batch.due.push(message.due);
        if batch.packed.len() >= BATCH_BYTES || batch.due.len() >= BATCH_MESSAGES {
            self.take(queue)?;
            self.write()?;
        }
        Ok(())
    }

    fn idle(&mut self) {
        let mut queues = 0..self.queues.len();
        let taken = queues.try_for_each(|queue| match self.is_busy(queue) {
            true => Ok(()),
            false => self.take(queue),
        });
        if let Err(error) = taken.map_err(Into::into).and_then(|()| self.write()) {
            self.window.fail(&error.to_string());
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.write_all()?;
        self.window.drained()
    }
}

fn acknowledge(answer: &Command, sent: &Sent, listener: &dyn Acknowledged, window: &Window) {
    let request = sent.lock().unwrap_or_else(PoisonError::into_inner).remove(&answer.opaque);
    // The broker has questions of its own, which are nobody's answer.
    let Some(Request { due, .. }) = request else { return };
    for due in &due {
        listener.acknowledged(*due, answer.refusal().map_or(Ok(()), Err));
    }
    window.leave(due.len() as u64);
}
