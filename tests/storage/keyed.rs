//! What a compacted log must hold, as a plain list of everything that was appended.

use std::collections::BTreeMap;

use ringmain::log::Log;
use ringmain::model::Offset;
use ringmain::wire::batch::{Batch, Batches};
use ringmain::wire::compression;
use ringmain::wire::record::RecordReader;

use crate::support::bytes_of;

/// One record, as it was sent or as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    pub offset: Offset,
    pub key: Vec<u8>,
    /// `None` marks the key as deleted.
    pub value: Option<Vec<u8>>,
    pub time: i64,
}

#[derive(Clone, Debug)]
pub enum Event {
    Record {
        record: Keyed,
        /// Whose transaction it is part of.
        transaction: Option<i64>,
    },
    Marker {
        offset: Offset,
        producer_id: i64,
        commit: bool,
    },
}

impl Event {
    fn offset(&self) -> Offset {
        match self {
            Event::Record { record, .. } => record.offset,
            Event::Marker { offset, .. } => *offset,
        }
    }
}

/// Epoch and last sequence number, -1 where none was used under it.
pub type Producer = (i16, i32);

#[derive(Default)]
pub struct History {
    events: Vec<Event>,
    /// What each append made of its producer: offset behind it, producer id.
    producers: Vec<(Offset, i64, Producer)>,
}

impl History {
    pub fn record(&mut self, event: Event) {
        self.events.push(event);
    }

    pub fn producer(&mut self, end: Offset, producer_id: i64, producer: Producer) {
        self.producers.push((end, producer_id, producer));
    }

    pub fn end(&self) -> Offset {
        self.events.last().map_or(0, |event| event.offset() + 1)
    }

    /// A crash took what lies behind.
    pub fn cut(&mut self, end: Offset) {
        self.events.retain(|event| event.offset() < end);
        self.producers.retain(|(behind, ..)| *behind <= end);
    }

    pub fn last_of(&self, producer_id: i64) -> Option<Producer> {
        self.producers.iter().rfind(|(_, id, _)| *id == producer_id).map(|(.., last)| *last)
    }

    /// Every record, and whether it is committed (or nothing is to be committed), aborted or open.
    pub fn records(&self) -> BTreeMap<Offset, (&Keyed, Option<bool>)> {
        let mut ended: BTreeMap<i64, bool> = BTreeMap::new();
        let mut records = BTreeMap::new();
        for event in self.events.iter().rev() {
            match event {
                Event::Marker { producer_id, commit, .. } => {
                    ended.insert(*producer_id, *commit);
                }
                Event::Record { record, transaction } => {
                    let fate = match transaction {
                        None => Some(true),
                        Some(producer_id) => ended.get(producer_id).copied(),
                    };
                    records.insert(record.offset, (record, fate));
                }
            }
        }
        records
    }

    pub fn has_open_transaction(&self, producer_id: i64) -> bool {
        let last = self.events.iter().rev().find_map(|event| match event {
            Event::Record { transaction, .. } if *transaction == Some(producer_id) => Some(true),
            Event::Marker { producer_id: id, .. } if *id == producer_id => Some(false),
            _ => None,
        });
        last.unwrap_or(false)
    }
}

pub fn records_of(batch: &Batch<'_>) -> Vec<Keyed> {
    let header = batch.header;
    let payload = compression::decompress(header.codec().unwrap(), batch.payload(), 1 << 20);
    let payload = payload.expect("records");
    let records = RecordReader::new(&payload, header.record_count()).map(|record| {
        let record = record.expect("a record");
        Keyed {
            offset: header.base_offset() + Offset::from(record.offset_delta),
            key: record.key.unwrap_or_default().to_vec(),
            value: record.value.map(<[u8]>::to_vec),
            time: header.base_timestamp() + record.timestamp_delta,
        }
    });
    records.collect()
}

/// Reads from `from` up to `end` in steps and yields every batch; offsets rise.
pub async fn batches_of(log: &Log, from: Offset, end: Offset, max_bytes: u64) -> Vec<Vec<u8>> {
    let mut batches = Vec::new();
    let mut offset = from;
    while offset < end {
        let plan = log.read(offset, max_bytes, end, true).await.expect("a read");
        assert!(plan.bytes > 0, "nothing at {offset} of {end}");
        assert!(plan.next_offset > offset);
        let bytes = bytes_of(&plan).await;
        for batch in Batches::new(&bytes) {
            let batch = batch.expect("whole batches");
            batch.check_crc().expect("as it was made");
            assert!(batch.header.last_offset() >= offset, "offsets rise");
            offset = batch.header.next_offset();
            batches.push(batch.bytes.to_vec());
        }
        // It may already be beyond the gap behind the last batch.
        assert!(plan.next_offset >= offset);
        offset = plan.next_offset;
    }
    batches
}

/// What a transactional reader makes of batches (KIP-98): records of aborted transactions are left
/// out.
pub fn committed(batches: &[Vec<u8>], mut aborted: Vec<(i64, Offset)>) -> Vec<Keyed> {
    aborted.sort_by_key(|(_, first)| std::cmp::Reverse(*first));
    let mut under_way: Vec<i64> = Vec::new();
    let mut records = Vec::new();
    for bytes in batches {
        let batch = Batch::first(bytes).expect("a batch");
        let header = batch.header;
        while aborted.last().is_some_and(|(_, first)| *first <= header.last_offset()) {
            under_way.extend(aborted.pop().map(|(producer_id, _)| producer_id));
        }
        if header.is_control() {
            let record = RecordReader::new(batch.payload(), header.record_count()).next();
            let key = record.and_then(|record| record.ok()?.key.map(<[u8]>::to_vec));
            if key.is_some_and(|key| key[2..] == [0, 0]) {
                under_way.retain(|producer_id| *producer_id != header.producer_id());
            }
        } else if !(header.is_transactional() && under_way.contains(&header.producer_id())) {
            records.extend(records_of(&batch));
        }
    }
    records
}
