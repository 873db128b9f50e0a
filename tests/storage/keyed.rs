//! What a compacted log must hold, as a plain list of everything that was appended.

use std::collections::BTreeSet;
use std::ops::Range;

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

/// A record and what became of it: committed (or nothing was to be committed), aborted, or still open.
pub type Fated<'a> = (&'a Keyed, Option<bool>);

#[derive(Default)]
pub struct History {
    /// By offset; what became of each record stands beside it.
    events: Vec<Event>,
    fates: Vec<Option<bool>>,
    /// What each append made of its producer: offset behind it, producer id.
    producers: Vec<(Offset, i64, Producer)>,
}

impl History {
    pub fn record(&mut self, event: Event) {
        assert!(event.offset() >= self.end(), "offsets rise");
        let fate = match &event {
            Event::Record { transaction: None, .. } => Some(true),
            Event::Record { .. } => None,
            Event::Marker { producer_id, commit, .. } => {
                self.decide(*producer_id, Some(*commit));
                None
            }
        };
        self.events.push(event);
        self.fates.push(fate);
    }

    /// Says what became of the producer's records since its last marker.
    fn decide(&mut self, producer_id: i64, fate: Option<bool>) {
        for (event, known) in self.events.iter().zip(&mut self.fates).rev() {
            match event {
                Event::Marker { producer_id: id, .. } if *id == producer_id => return,
                Event::Record { transaction: Some(id), .. } if *id == producer_id => *known = fate,
                _ => {}
            }
        }
    }

    pub fn producer(&mut self, end: Offset, producer_id: i64, producer: Producer) {
        self.producers.push((end, producer_id, producer));
    }

    pub fn end(&self) -> Offset {
        self.events.last().map_or(0, |event| event.offset() + 1)
    }

    /// A crash took what lies behind, markers among it.
    pub fn cut(&mut self, end: Offset) {
        let kept = self.events.partition_point(|event| event.offset() < end);
        let ended: BTreeSet<i64> = self.events[kept..]
            .iter()
            .filter_map(|event| match event {
                Event::Marker { producer_id, .. } => Some(*producer_id),
                Event::Record { .. } => None,
            })
            .collect();
        self.events.truncate(kept);
        self.fates.truncate(kept);
        ended.into_iter().for_each(|producer_id| self.decide(producer_id, None));
        self.producers.retain(|(behind, ..)| *behind <= end);
    }

    pub fn last_of(&self, producer_id: i64) -> Option<Producer> {
        self.producers.iter().rfind(|(_, id, _)| *id == producer_id).map(|(.., last)| *last)
    }

    /// The records at these offsets, in order.
    pub fn records(&self, part: Range<Offset>) -> impl Iterator<Item = Fated<'_>> {
        let at = |offset| self.events.partition_point(|event| event.offset() < offset);
        let part = at(part.start)..at(part.end.max(part.start));
        let fated = self.events[part.clone()].iter().zip(&self.fates[part]);
        fated.filter_map(|(event, fate)| match event {
            Event::Record { record, .. } => Some((record, *fate)),
            Event::Marker { .. } => None,
        })
    }

    /// The record at this offset; there must be one.
    pub fn record_at(&self, offset: Offset) -> Fated<'_> {
        let found = self.records(offset..offset + 1).next();
        found.unwrap_or_else(|| panic!("no record was written at {offset}"))
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
