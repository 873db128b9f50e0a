//! The same work through librdkafka, the library that most clients of Kafka are made of: what users will
//! see, with the library's own cost in it. Topics are made by our own client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;

use super::Connection;
use crate::driver::{
    Acknowledged, Consumer, ConsumerSeat, Driver, From, Message, Nanos, NewTopic, Producer,
    ProducerSeat, Received, Result,
};
use crate::lean::cluster::Cluster;
use crate::properties::Properties;
use crate::workload::{Durability, Workload};

const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
const FULL_PAUSE: Duration = Duration::from_micros(100);
/// Settings of Java's clients that librdkafka has under another name.
const NAMES: [(&str, &str); 3] = [
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("fetch.max.wait.ms", "fetch.wait.max.ms"),
    ("max.request.size", "message.max.bytes"),
];
/// And those that it does not have.
const UNKNOWN: [&str; 4] =
    ["default.api.timeout.ms", "buffer.memory", "delivery.timeout.ms", "max.poll.records"];

struct Librdkafka {
    bootstrap: String,
    producer: Properties,
    consumer: Properties,
    topics: BTreeMap<Option<Durability>, Properties>,
}

pub fn open(connection: &Connection<'_>) -> Result<Box<dyn Driver>> {
    let (file, workload) = (connection.file, connection.workload);
    let common = Properties::of(&[&file.common_config])?;
    let bootstrap = match connection.port {
        Some(port) => format!("127.0.0.1:{port}"),
        None => common.get("bootstrap.servers").ok_or("no bootstrap.servers")?.to_owned(),
    };
    let of = |level: &str| Properties::of(&[&file.topic_config, level, &workload.topic_config]);
    let mut topics = BTreeMap::from([(None, of("")?)]);
    for (&level, lines) in &file.durability {
        topics.insert(Some(level), of(lines)?);
    }
    Ok(Box::new(Librdkafka {
        bootstrap,
        producer: Properties::of(&[
            &file.common_config,
            &file.producer_config,
            &workload.producer_config,
        ])?,
        consumer: Properties::of(&[
            &file.common_config,
            &file.consumer_config,
            &workload.consumer_config,
        ])?,
        topics,
    }))
}

impl Librdkafka {
    fn config(&self, properties: &Properties) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in properties.iter().filter(|(key, _)| !UNKNOWN.contains(key)) {
            let renamed = NAMES.iter().find(|(java, _)| *java == key).map_or(key, |(_, own)| own);
            config.set(renamed, value);
        }
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }
}

impl Driver for Librdkafka {
    fn version(&mut self) -> Result<String> {
        Err("Kafka's protocol does not tell it".into())
    }

    fn cannot(&self, workload: &Workload) -> Option<String> {
        if workload.transaction_milliseconds.is_some()
            || self.producer.get("transactional.id").is_some()
        {
            return Some("transactions are measured with the lean client only".into());
        }
        (workload.connections_per_second > 0.0)
            .then(|| "connections are opened by the lean client only".into())
    }

    fn create_topics(&mut self, topics: &[NewTopic], durability: Option<Durability>) -> Result<()> {
        let mut cluster = Cluster::connect(&self.bootstrap)?;
        let none = Properties::default();
        let configs: Vec<_> = self.topics.get(&durability).unwrap_or(&none).iter().collect();
        cluster.create_topics(topics, 1, &configs)?;
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        cluster.topics(&names)?;
        Ok(())
    }

    fn producer(
        &mut self,
        seat: &ProducerSeat,
        listener: Arc<dyn Acknowledged>,
    ) -> Result<Box<dyn Producer>> {
        let producer = self.config(&self.producer).create_with_context(Context(listener))?;
        Ok(Box::new(RdProducer { producer, topic: seat.topic.clone() }))
    }

    fn consumer(
        &mut self,
        seat: &ConsumerSeat,
        listener: Arc<dyn Received>,
    ) -> Result<Box<dyn Consumer>> {
        let member = self.consumer.get("group.protocol").is_some();
        let mut config = self.config(&self.consumer);
        config.set("group.id", &seat.subscription);
        if !member {
            config.set("enable.auto.commit", "false");
        }
        let from = if seat.from == From::Tail { "latest" } else { "earliest" };
        config.set("auto.offset.reset", from);
        let consumer: BaseConsumer = config.create()?;
        if member {
            consumer.subscribe(&[&seat.topic])?;
        } else {
            let mut list = TopicPartitionList::new();
            for part in (0..seat.partitions).filter(|part| part % seat.of == seat.index) {
                let part = part as i32;
                let (first, end) = consumer.fetch_watermarks(&seat.topic, part, PATIENCE)?;
                let offset = if seat.from == From::Tail { end } else { first };
                list.add_partition_offset(&seat.topic, part, Offset::Offset(offset))?;
            }
            consumer.assign(&list)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let seated = Arc::new(AtomicBool::new(!member));
        let tell_seated = seated.clone();
        let thread = thread::Builder::new().name("consumer".into()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Some(Ok(message)) = consumer.poll(POLL) {
                    listener.received(message.payload().unwrap_or_default());
                } else if consumer.assignment().is_ok_and(|list| list.count() > 0) {
                    tell_seated.store(true, Ordering::Relaxed);
                }
            }
        })?;
        let until = std::time::Instant::now() + PATIENCE;
        // Members of a group are seated when all have come: only the last one can be waited for.
        let last = seat.index + 1 == seat.of;
        while last && !seated.load(Ordering::Relaxed) && std::time::Instant::now() < until {
            thread::sleep(POLL);
        }
        Ok(Box::new(RdConsumer { stop, thread: Some(thread) }))
    }
}

struct Context(Arc<dyn Acknowledged>);

impl ClientContext for Context {}

impl ProducerContext for Context {
    /// When the record was due.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, due: usize) {
        let outcome = result.as_ref().map(drop).map_err(|(error, _)| error.to_string());
        self.0.acknowledged(due as Nanos, outcome);
    }
}

struct RdProducer {
    producer: ThreadedProducer<Context>,
    topic: String,
}

impl Producer for RdProducer {
    fn send(&mut self, message: Message<'_>) -> Result<()> {
        let mut record: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(&self.topic, message.due as usize).payload(message.payload);
        if let Some(key) = message.key {
            record = record.key(key);
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    thread::sleep(FULL_PAUSE);
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(self.producer.flush(Timeout::After(PATIENCE))?)
    }
}

struct RdConsumer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Consumer for RdConsumer {}

impl Drop for RdConsumer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there was reported already.
            let _ = thread.join();
        }
    }
}
