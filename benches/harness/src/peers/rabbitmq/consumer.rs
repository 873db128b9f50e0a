//! Reads the streams of a topic that are its share.

use std::io;
use std::sync::Arc;

use super::connection::Connection;
use super::frame::{self, Frames};
use super::stream;
use crate::driver::{Consumer, ConsumerSeat, From, Received, Result};
use crate::peers::link::{Link, Writer};
use crate::peers::partition::share;

/// Chunks on their way at a time; RabbitMQ's Java client starts with one and asks for more as they come.
const CREDIT: u16 = 10;
/// A subscription is numbered in one byte of its connection.
const SUBSCRIPTIONS_MAX: usize = 200;
const OFFSET_FIRST: u16 = 1;
const OFFSET_NEXT: u16 = 3;

pub struct StreamConsumer {
    _links: Vec<Link>,
}

impl Consumer for StreamConsumer {}

impl StreamConsumer {
    pub fn open(
        address: &str,
        seat: &ConsumerSeat,
        listener: &Arc<dyn Received>,
    ) -> Result<StreamConsumer> {
        let offset = match seat.from {
            From::Beginning => OFFSET_FIRST,
            From::Tail => OFFSET_NEXT,
        };
        let partitions: Vec<u32> = share(seat.partitions, seat.index, seat.of).collect();
        let mut links = Vec::new();
        for partitions in partitions.chunks(SUBSCRIPTIONS_MAX) {
            let mut connection = Connection::open(address)?;
            for (subscription, partition) in (0u8..).zip(partitions) {
                // Without credit nothing comes before somebody hears it.
                connection.ask(frame::SUBSCRIBE, |frames| {
                    let stream = stream(&seat.topic, *partition);
                    frames.u8(subscription).string(&stream).u16(offset).u16(0);
                })?;
            }
            links.push(deliveries(connection, partitions.len(), listener.clone())?);
        }
        Ok(StreamConsumer { _links: links })
    }
}

fn deliveries(
    connection: Connection,
    subscriptions: usize,
    listener: Arc<dyn Received>,
) -> Result<Link> {
    // The reader gives credit, by a writer that there is only once it reads.
    let (sender, receiver) = std::sync::mpsc::channel::<Writer>();
    let mut writer = None;
    let link = connection.start(move |heard| {
        let Ok((frame::DELIVER, mut reading)) = heard else { return Ok(()) };
        let subscription = reading.u8()?;
        frame::payloads(&mut reading, |payload| listener.received(payload))?;
        if writer.is_none() {
            writer = Some(receiver.recv().map_err(io::Error::other)?);
        }
        match &writer {
            Some(writer) => writer.write(&credit(subscription, 1).bytes),
            None => Ok(()),
        }
    })?;
    sender.send(link.writer.clone())?;
    for subscription in (0u8..).take(subscriptions) {
        link.writer.write(&credit(subscription, CREDIT).bytes)?;
    }
    Ok(link)
}

fn credit(subscription: u8, chunks: u16) -> Frames {
    let mut frames = Frames::default();
    frames.begin(frame::CREDIT).u8(subscription).u16(chunks).end();
    frames
}
