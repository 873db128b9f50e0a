//! RabbitMQ streams, by the stream protocol: a partition is a stream, named `<topic>-<partition>`.
//!
//! The Rust client of today (0.11) asks for a command that came with RabbitMQ 3.11 and is refused by
//! Debian's 3.10; the last that does not (0.4) sends by a timer. So the protocol is spoken here.

mod connection;
mod consumer;
mod frame;
mod producer;

use std::sync::Arc;

use crate::driver::{
    Acknowledged, Consumer, ConsumerSeat, Driver, NewTopic, Producer, ProducerSeat, Received,
    Result,
};
use crate::workload::{Durability, Workload};

use connection::Connection;

pub fn open(address: String) -> Result<Box<dyn Driver>> {
    let connection = Connection::open(&address)?;
    Ok(Box::new(Streams { address, connection }))
}

struct Streams {
    address: String,
    connection: Connection,
}

/// The stream of a partition.
fn stream(topic: &str, partition: u32) -> String {
    format!("{topic}-{partition}")
}

impl Driver for Streams {
    fn version(&mut self) -> Result<String> {
        Ok(self.connection.version.clone())
    }

    fn cannot(&self, workload: &Workload) -> Option<String> {
        if workload.durability == Some(Durability::Synced) {
            let why = "a stream is not synced to the disk before it is confirmed: RabbitMQ leaves that \
                       to the operating system and relies on replicas";
            return Some(why.into());
        }
        super::cannot(workload)
    }

    fn create_topics(&mut self, topics: &[NewTopic], _: Option<Durability>) -> Result<()> {
        for topic in topics {
            for partition in 0..topic.partitions {
                self.connection.create(&stream(&topic.name, partition))?;
            }
        }
        Ok(())
    }

    fn producer(
        &mut self,
        seat: &ProducerSeat,
        listener: Arc<dyn Acknowledged>,
    ) -> Result<Box<dyn Producer>> {
        Ok(Box::new(producer::StreamProducer::open(&self.address, seat, listener)?))
    }

    fn consumer(
        &mut self,
        seat: &ConsumerSeat,
        listener: Arc<dyn Received>,
    ) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(consumer::StreamConsumer::open(&self.address, seat, &listener)?))
    }
}
