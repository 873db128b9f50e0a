//! The records of `__transaction_state`, byte for byte Kafka's: key type 0, value version 1
//! (version 0, without tagged fields, is read as well).

use std::collections::BTreeSet;

use super::state::State;
use super::transaction::{Level, NO_EPOCH, Partitions, Producer, Transaction};
use crate::coordinator::outcome::Record;
use crate::wire::internal::Key;
use crate::wire::internal::transaction_log::{
    TransactionLogKey, TransactionLogValue, TransactionPartitions,
};
use crate::wire::versioned::Versioned;

const VALUE_VERSION: i16 = 1;

pub fn encode(transactional_id: &str, transaction: &Transaction) -> Record {
    let topics = transaction.partitions.iter().map(|(topic, numbers)| TransactionPartitions {
        topic,
        partition_ids: numbers.iter().copied().collect(),
    });
    let kept = TransactionLogValue {
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
        ..TransactionLogValue::default()
    };
    let mut value = Vec::new();
    kept.encode(VALUE_VERSION, &mut value);
    Record { key: key(transactional_id), value: Some(value) }
}

/// The id expired.
pub fn tombstone(transactional_id: &str) -> Record {
    Record { key: key(transactional_id), value: None }
}

fn key(transactional_id: &str) -> Vec<u8> {
    let mut key = Vec::new();
    TransactionLogKey { transactional_id }.encode_key(&mut key);
    key
}

/// What a record says. `None` for one that a later version wrote, or that is damaged.
pub fn decode(key: &[u8], value: Option<&[u8]>) -> Option<(String, Option<Transaction>)> {
    let key = TransactionLogKey::decode(key).ok()?;
    let transactional_id = key.transactional_id.to_owned();
    let Some(value) = value else { return Some((transactional_id, None)) };
    let kept = TransactionLogValue::decode(value).ok()?;
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
