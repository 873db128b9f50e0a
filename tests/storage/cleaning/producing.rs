//! Producers of all kinds at work on one log, one batch at a time. What is refused has not happened.

use ringmain::base::prng::Prng;
use ringmain::log::{AppendError, Log, Origin, Records};
use ringmain::model::Offset;
use ringmain::rt;
use ringmain::wire::compression::Codec;
use ringmain::wire::record::{BatchBuilder, BatchFields};

use super::plan::{EPOCH, IDEMPOTENT, Plan, TRANSACTIONAL};
use super::truth::{Shared, Truth};
use crate::keyed::{Event, Keyed};

pub fn append(plan: &Plan, log: &Log, truth: &Shared, prng: &mut Prng) -> Result<(), AppendError> {
    let truth = &mut *truth.borrow_mut();
    let producer_id = [-1, -1, IDEMPOTENT, TRANSACTIONAL, TRANSACTIONAL][prng.below(5) as usize];
    let is_transactional = producer_id == TRANSACTIONAL;
    let is_open = truth.history.has_open_transaction(TRANSACTIONAL);
    let now_ms = rt::unix_ms();
    if is_transactional && is_open && prng.chance(1, 3) {
        return end_transaction(log, truth, prng.chance(1, 2), prng.chance(1, 2));
    }
    let (epoch, sequence) = truth.history.last_of(producer_id).unwrap_or((0, -1));
    let mut builder = BatchBuilder::new(BatchFields {
        codec: Codec::ALL[prng.below(5) as usize],
        transactional: is_transactional,
        producer_id,
        producer_epoch: if producer_id < 0 { -1 } else { epoch },
        base_sequence: if producer_id < 0 { -1 } else { sequence + 1 },
        ..BatchFields::default()
    });
    let mut records = Vec::new();
    for number in 0..1 + prng.below(5) {
        let key = format!("k{}", prng.below(plan.keys)).into_bytes();
        let value = vec![prng.next_u64() as u8; 1 + prng.below(200) as usize];
        let value = (!prng.chance(1, 5)).then_some(value);
        let time = now_ms - prng.below(3) as i64;
        builder.push(time, Some(&key), value.as_deref(), &[]);
        let offset = log.end_offset() + number as Offset;
        records.push(Keyed { offset, key, value, time });
    }
    let count = records.len() as i32;
    let bytes = builder.finish();
    let appended = log.append(Records::Copy(&bytes), EPOCH, now_ms, Origin::Client)?;
    assert_eq!(appended.base_offset, records[0].offset);
    let transaction = is_transactional.then_some(producer_id);
    for record in records {
        truth.history.record(Event::Record { record, transaction });
    }
    if producer_id >= 0 {
        let end = appended.last_offset + 1;
        truth.history.producer(end, producer_id, (epoch, sequence + count));
    }
    Ok(())
}

/// `raises`: the marker carries the next epoch (KIP-890), under which sequences begin again.
pub fn end_transaction(
    log: &Log,
    truth: &mut Truth,
    commit: bool,
    raises: bool,
) -> Result<(), AppendError> {
    let (epoch, sequence) = truth.history.last_of(TRANSACTIONAL).unwrap_or((0, -1));
    let epoch = epoch + i16::from(raises);
    let mut builder = BatchBuilder::new(BatchFields {
        producer_id: TRANSACTIONAL,
        producer_epoch: epoch,
        transactional: true,
        control: true,
        ..BatchFields::default()
    });
    let key = [0, 0, 0, u8::from(commit)];
    builder.push(rt::unix_ms(), Some(&key), Some(&[0, 0, 0, 0, 0, 7]), &[]);
    let version = if raises { 2 } else { 0 };
    let appended = log.append_marker(&builder.finish(), EPOCH, rt::unix_ms(), version)?;
    let offset = appended.base_offset;
    truth.history.record(Event::Marker { offset, producer_id: TRANSACTIONAL, commit });
    let sequence = if raises { -1 } else { sequence };
    truth.history.producer(offset + 1, TRANSACTIONAL, (epoch, sequence));
    Ok(())
}
