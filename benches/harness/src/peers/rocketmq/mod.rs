//! RocketMQ, by its remoting protocol, straight to the broker: a partition is a queue of the topic.
//!
//! The Rust client of the registry speaks gRPC to a proxy before the broker, and brings two hundred
//! packages with it; the remoting protocol is what RocketMQ's own Java client speaks.

mod command;
mod consumer;
mod line;
mod message;
mod producer;

use std::sync::Arc;

use serde_json::json;

use crate::driver::{
    Acknowledged, Consumer, ConsumerSeat, Driver, NewTopic, Producer, ProducerSeat, Received,
    Result,
};
use crate::workload::{Durability, Workload};

use command::Command;
use line::Line;

pub fn open(address: String) -> Result<Box<dyn Driver>> {
    let line = Line::open(&address)?;
    Ok(Box::new(RocketMq { address, line }))
}

struct RocketMq {
    address: String,
    line: Line,
}

impl Driver for RocketMq {
    fn version(&mut self) -> Result<String> {
        let answer = self.line.ask(Command::new(command::GET_BROKER_RUNTIME_INFO))?;
        let runtime: serde_json::Value = serde_json::from_slice(&answer.body)?;
        let version = runtime.pointer("/table/brokerVersionDesc").and_then(|value| value.as_str());
        let version = version.unwrap_or("of unknown version").trim_start_matches('V');
        Ok(format!("RocketMQ {}", version.replace('_', ".")))
    }

    fn cannot(&self, workload: &Workload) -> Option<String> {
        super::cannot(workload)
    }

    fn create_topics(&mut self, topics: &[NewTopic], _: Option<Durability>) -> Result<()> {
        for topic in topics {
            let queues = topic.partitions.to_string();
            self.line.ask(Command::new(command::UPDATE_AND_CREATE_TOPIC).with(json!({
                "topic": topic.name,
                "defaultTopic": "TBW102",
                "readQueueNums": queues,
                "writeQueueNums": queues,
                "perm": "6",
                "topicFilterType": "SINGLE_TAG",
                "topicSysFlag": "0",
                "order": "false",
            })))?;
        }
        Ok(())
    }

    fn producer(
        &mut self,
        seat: &ProducerSeat,
        listener: Arc<dyn Acknowledged>,
    ) -> Result<Box<dyn Producer>> {
        Ok(Box::new(producer::QueueProducer::open(&self.address, seat, listener)?))
    }

    fn consumer(
        &mut self,
        seat: &ConsumerSeat,
        listener: Arc<dyn Received>,
    ) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(consumer::QueueConsumer::open(&self.address, seat, &listener)?))
    }
}
