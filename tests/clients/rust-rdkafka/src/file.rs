//! big-file's writer and reader: a file goes into a topic as numbered chunks and comes out as the same file.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::cluster::{Deliveries, PATIENCE};

/// The key of a record is its number, eight bytes big-endian; its value is the chunk at number * CHUNK.
pub const CHUNK: usize = 32 * 1024;

pub fn write(
    bootstrap: &str,
    topic: &str,
    codec: &str,
    partitions: &str,
    path: &str,
) -> Result<(), Box<dyn Error>> {
    let partitions: u64 = partitions.parse()?;
    let producer: BaseProducer<Deliveries> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("compression.type", codec)
        .set("enable.idempotence", "true")
        .set("linger.ms", "20")
        .create_with_context(Deliveries::default())?;
    let mut file = File::open(path)?;
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut sent = 0u64;
    while file.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)? > 0 {
        let key = sent.to_be_bytes();
        let partition = (sent % partitions) as i32;
        let mut record =
            BaseRecord::to(topic).partition(partition).key(&key[..]).payload(&chunk[..]);
        while let Err((error, back)) = producer.send(record) {
            if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
                return Err(error.into());
            }
            record = back;
            producer.poll(Duration::from_millis(5));
        }
        producer.poll(Duration::ZERO);
        chunk.clear();
        sent += 1;
    }
    producer.flush(10 * PATIENCE)?;
    let reports = producer.context().0.lock().unwrap();
    match reports.iter().find_map(|report| report.err()) {
        Some(error) => Err(error.into()),
        None if reports.len() as u64 != sent => Err("not every record was reported on".into()),
        None => Ok(()),
    }
}

pub fn read(
    bootstrap: &str,
    topic: &str,
    partitions: &str,
    records: &str,
    path: &str,
) -> Result<(), Box<dyn Error>> {
    let (partitions, records): (i32, u64) = (partitions.parse()?, records.parse()?);
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "assigned-only")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("check.crcs", "true")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let file = File::create(path)?;
    // The number that must come next, for each partition.
    let mut next: Vec<u64> = (0..partitions as u64).collect();
    for _ in 0..records {
        let message = consumer.poll(PATIENCE).ok_or("no more records came")??;
        let number = u64::from_be_bytes(message.key().ok_or("no key")?.try_into()?);
        let expected = &mut next[message.partition() as usize];
        if number != *expected {
            return Err(format!("chunk {number} where {expected} should be").into());
        }
        *expected += partitions as u64;
        file.write_all_at(message.payload().ok_or("no value")?, number * CHUNK as u64)?;
    }
    match consumer.poll(Duration::from_millis(500)) {
        Some(more) => Err(format!("more than {records} records: {more:?}").into()),
        None => Ok(()),
    }
}
