//! Sends to the streams of a topic. Messages that are due together go in one frame for each stream;
//! what waits is sent as soon as nothing else is due and not too many frames are unconfirmed.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::connection::Connection;
use super::frame::{self, Frames, Reading};
use super::stream;
use crate::driver::{Acknowledged, Message, Nanos, Producer, ProducerSeat, Result};
use crate::peers::link::Link;
use crate::peers::partition::Partitioner;
use crate::peers::window::Window;

/// As RabbitMQ's Java client has it (`maxUnconfirmedMessages`).
const UNCONFIRMED_MAX: u64 = 10_000;
/// As RabbitMQ's Java client has it (`batchSize`).
const BATCH_MESSAGES: u32 = 100;
/// Unconfirmed frames of a stream with which the next waits and grows, as with a producer of Kafka
/// (`max.in.flight.requests.per.connection`): a chunk for each message would be RabbitMQ at its worst.
const FRAMES_MAX: usize = 5;
/// A publisher is numbered in one byte of its connection.
const PUBLISHERS_MAX: u32 = 200;

pub struct StreamProducer {
    partitioner: Partitioner,
    lines: Vec<Line>,
    window: Arc<Window>,
    // Last: a link that ends tells the window.
    links: Vec<Link>,
}

/// The publisher of one stream.
struct Line {
    link: usize,
    publisher: u8,
    next: u64,
    batch: Frames,
    count: u32,
    bytes_max: usize,
    sent: Arc<Mutex<Sent>>,
}

/// When the messages with ids from `first` on were due; `None` once they are confirmed.
#[derive(Default)]
struct Sent {
    first: u64,
    due: VecDeque<Option<Nanos>>,
    /// The id behind the last of each frame that is not confirmed as a whole.
    frames: VecDeque<u64>,
}

impl Sent {
    fn take(&mut self, id: u64) -> Option<Nanos> {
        let at = usize::try_from(id.checked_sub(self.first)?).ok()?;
        let due = self.due.get_mut(at)?.take();
        while self.due.front().is_some_and(Option::is_none) {
            self.due.pop_front();
            self.first += 1;
        }
        while self.frames.front().is_some_and(|end| *end <= self.first) {
            self.frames.pop_front();
        }
        due
    }
}

impl StreamProducer {
    pub fn open(
        address: &str,
        seat: &ProducerSeat,
        listener: Arc<dyn Acknowledged>,
    ) -> Result<StreamProducer> {
        let window = Arc::new(Window::new(UNCONFIRMED_MAX));
        let (mut lines, mut links) = (Vec::new(), Vec::new());
        let partitions: Vec<u32> = (0..seat.partitions).collect();
        for partitions in partitions.chunks(PUBLISHERS_MAX as usize) {
            let mut connection = Connection::open(address)?;
            let bytes_max = connection.frame_bytes_max;
            let mut sent = Vec::new();
            for (publisher, partition) in (0u8..).zip(partitions) {
                connection.declare_publisher(publisher, &stream(&seat.topic, *partition))?;
                sent.push(Arc::new(Mutex::new(Sent::default())));
                lines.push(Line {
                    link: links.len(),
                    publisher,
                    next: 0,
                    batch: Frames::default(),
                    count: 0,
                    bytes_max,
                    sent: sent[usize::from(publisher)].clone(),
                });
            }
            links.push(confirms(connection, sent, listener.clone(), window.clone())?);
        }
        let partitioner = Partitioner::new(seat.partitions, seat.number);
        Ok(StreamProducer { partitioner, lines, window, links })
    }

    fn write(&mut self, at: usize) -> Result<()> {
        let line = &mut self.lines[at];
        if line.count > 0 {
            line.finish();
            self.links[line.link].writer.write(&line.batch.bytes)?;
            line.batch.bytes.clear();
        }
        Ok(())
    }

    fn write_all(&mut self) -> Result<()> {
        (0..self.lines.len()).try_for_each(|at| self.write(at))
    }
}

impl Line {
    fn add(&mut self, message: Message<'_>) {
        if self.count == 0 {
            // The count of messages is filled in at the end.
            self.batch.begin(frame::PUBLISH).u8(self.publisher).u32(0);
        }
        self.batch.u64(self.next).message(message.payload);
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.due.push_back(Some(message.due));
        self.next += 1;
        self.count += 1;
    }

    fn is_busy(&self) -> bool {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).frames.len() >= FRAMES_MAX
    }

    fn finish(&mut self) {
        // Behind length, key, version and publisher.
        self.batch.bytes[9..13].copy_from_slice(&self.count.to_be_bytes());
        self.batch.end();
        self.count = 0;
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.frames.push_back(self.next);
    }

    fn has_room(&self, payload: usize) -> bool {
        self.count < BATCH_MESSAGES && self.batch.bytes.len() + payload + 64 < self.bytes_max
    }
}

impl Producer for StreamProducer {
    fn send(&mut self, message: Message<'_>) -> Result<()> {
        if self.window.is_full() {
            // What waits here would be waited for.
            self.write_all()?;
        }
        self.window.enter()?;
        let at = self.partitioner.pick(message.key) as usize;
        if !self.lines[at].has_room(message.payload.len()) {
            self.write(at)?;
        }
        self.lines[at].add(message);
        Ok(())
    }

    fn idle(&mut self) {
        let mut lines = 0..self.lines.len();
        let written = lines.try_for_each(|at| match self.lines[at].is_busy() {
            true => Ok(()),
            false => self.write(at),
        });
        if let Err(error) = written {
            self.window.fail(&error.to_string());
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.write_all()?;
        self.window.drained()
    }
}

/// Hears confirmations of the publishers of one connection.
fn confirms(
    connection: Connection,
    sent: Vec<Arc<Mutex<Sent>>>,
    listener: Arc<dyn Acknowledged>,
    window: Arc<Window>,
) -> Result<Link> {
    connection.start(move |heard| {
        let (key, mut reading) = match heard {
            Ok(heard) => heard,
            Err(error) => {
                window.fail(&error.to_string());
                return Ok(());
            }
        };
        let failed = match key {
            frame::PUBLISH_CONFIRM => false,
            frame::PUBLISH_ERROR => true,
            _ => return Ok(()),
        };
        confirmed(&mut reading, failed, &sent, &*listener, &window)
    })
}

fn confirmed(
    reading: &mut Reading<'_>,
    failed: bool,
    sent: &[Arc<Mutex<Sent>>],
    listener: &dyn Acknowledged,
    window: &Window,
) -> io::Result<()> {
    let publisher = usize::from(reading.u8()?);
    let unknown = || io::Error::other("a confirmation for nobody");
    let mut sent =
        sent.get(publisher).ok_or_else(unknown)?.lock().unwrap_or_else(PoisonError::into_inner);
    let count = reading.u32()?;
    let mut found = 0;
    for _ in 0..count {
        let id = reading.u64()?;
        let outcome = match failed {
            true => Err(frame::code(reading.u16()?).unwrap_or_else(|| "refused".into())),
            false => Ok(()),
        };
        if let Some(due) = sent.take(id) {
            listener.acknowledged(due, outcome);
            found += 1;
        }
    }
    window.leave(found);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirmations_may_come_in_any_order_and_count_once() {
        let due = [10, 11, 12].map(Some).into();
        let mut sent = Sent { first: 7, due, frames: [9, 10].into() };
        assert_eq!(sent.take(8), Some(11));
        assert_eq!((sent.first, sent.due.len(), sent.frames.len()), (7, 3, 2));
        assert_eq!(sent.take(7), Some(10));
        assert_eq!((sent.first, sent.due.len(), sent.frames.len()), (9, 1, 1));
        assert_eq!([sent.take(7), sent.take(8), sent.take(10)], [None; 3]);
        assert_eq!(sent.take(9), Some(12));
        assert!(sent.frames.is_empty());
    }
}
