//! The records of `__transaction_state`, byte for byte Kafka's: key version 0, value version 1
//! (version 0, without tagged fields, is read as well).

use std::collections::BTreeSet;

use super::state::State;
use super::transaction::{Level, NO_EPOCH, Partitions, Producer, Transaction};
use crate::coordinator::outcome::Record;
use crate::wire::primitives::{Reader, Writer};
use crate::wire::value::{Form, Value};

crate::message!(@struct Key<'a> { transactional_id: &'a str, 0+; });

crate::message!(@struct Kept<'a> {
    producer_id: i64, 0+;
    previous_producer_id: i64, 1+, tag 0, default -1;
    next_producer_id: i64, 1+, tag 1, default -1;
    producer_epoch: i16, 0+;
    transaction_timeout_ms: i32, 0+;
    transaction_status: i8, 0+;
    transaction_partitions: Option<Vec<Topic<'a>>>, 0+, null 0+;
    transaction_last_update_timestamp_ms: i64, 0+;
    transaction_start_timestamp_ms: i64, 0+;
    client_transaction_version: i16, 1+, tag 2;
});

crate::message!(@struct Topic<'a> {
    topic: &'a str, 0+;
    partition_ids: Vec<i32>, 0+;
});

const KEY_VERSION: i16 = 0;
const VALUE_VERSION: i16 = 1;

fn form(version: i16, flexible_from: i16) -> Form {
    Form { version, flexible: version >= flexible_from, nullable: false }
}

pub fn encode(transactional_id: &str, transaction: &Transaction) -> Record {
    let topics = transaction
        .partitions
        .iter()
        .map(|(topic, numbers)| Topic { topic, partition_ids: numbers.iter().copied().collect() });
    let kept = Kept {
        producer_id: transaction.producer.id,
        previous_producer_id: transaction.previous_producer_id,
        next_producer_id: transaction.next_producer_id,
        producer_epoch: transaction.producer.epoch,
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_status: transaction.state.number(),
        transaction_partitions: (transaction.state != State::Empty).then(|| topics.collect()),
        transaction_last_update_timestamp_ms: transaction.updated_ms,
        transaction_start_timestamp_ms: transaction.started_ms,
        client_transaction_version: transaction.level.number(),
    };
    let mut value = Vec::new();
    let mut writer = Writer::new(&mut value);
    writer.i16(VALUE_VERSION);
    kept.write(&mut writer, form(VALUE_VERSION, 1));
    Record { key: key(transactional_id), value: Some(value) }
}

/// The id expired.
pub fn tombstone(transactional_id: &str) -> Record {
    Record { key: key(transactional_id), value: None }
}

fn key(transactional_id: &str) -> Vec<u8> {
    let mut key = Vec::new();
    let mut writer = Writer::new(&mut key);
    writer.i16(KEY_VERSION);
    Key { transactional_id }.write(&mut writer, form(KEY_VERSION, i16::MAX));
    key
}

/// What a record says. `None` for one that a later version wrote, or that is damaged.
pub fn decode(key: &[u8], value: Option<&[u8]>) -> Option<(String, Option<Transaction>)> {
    let mut reader = Reader::new(key);
    if reader.i16().ok()? != KEY_VERSION {
        return None;
    }
    let key = Key::read(&mut reader, form(KEY_VERSION, i16::MAX)).ok()?;
    let transactional_id = key.transactional_id.to_owned();
    let Some(value) = value else { return Some((transactional_id, None)) };
    let mut reader = Reader::new(value);
    let version = reader.i16().ok().filter(|version| (0..=VALUE_VERSION).contains(version))?;
    let kept = Kept::read(&mut reader, form(version, 1)).ok()?;
    let state = State::of_number(kept.transaction_status)?;
    let mut partitions = Partitions::new();
    for topic in kept.transaction_partitions.unwrap_or_default() {
        let numbers: &mut BTreeSet<i32> = partitions.entry(topic.topic.to_owned()).or_default();
        numbers.extend(topic.partition_ids);
    }
    let transaction = Transaction {
        producer: Producer { id: kept.producer_id, epoch: kept.producer_epoch },
        previous_producer_id: kept.previous_producer_id,
        next_producer_id: kept.next_producer_id,
        last_epoch: NO_EPOCH,
        timeout_ms: kept.transaction_timeout_ms,
        state,
        partitions,
        started_ms: kept.transaction_start_timestamp_ms,
        updated_ms: kept.transaction_last_update_timestamp_ms,
        level: Level::of_number(kept.client_transaction_version),
    };
    Some((transactional_id, Some(transaction)))
}
