//! Produce requests, built once and sent again and again: a batch with its right checksum, and for
//! each partition what stands around it.

use std::io::IoSlice;
use std::time::{SystemTime, UNIX_EPOCH};

use ringmain::wire::frame;
use ringmain::wire::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use ringmain::wire::record::{BatchBuilder, BatchFields};
use ringmain::wire::{Api, Writer};

/// Requests below this size are laid out one behind the other and sent together.
const JOINED_FRAME_MAX: usize = 16 << 10;
/// Bytes of requests laid out, so that a long run of small ones is one slice.
const JOINED_BYTES: usize = 64 << 10;
/// Slices of one send.
pub const SLICES_MAX: usize = 96;

pub struct Requests {
    layout: Layout,
    /// Requests in a round, after which the first one follows.
    pub count: usize,
    /// Bytes of one batch, and its records.
    pub batch_bytes: usize,
    pub batch_records: usize,
}

enum Layout {
    /// All requests of a round, and where each begins.
    Joined { bytes: Vec<u8>, starts: Vec<usize> },
    /// What stands before the batch, for each request; the batch; what stands behind it.
    Split { heads: Vec<Vec<u8>>, records: Vec<u8>, tail: Vec<u8> },
}

/// One batch of as many records as fit into `batch_bytes`, at least one.
pub fn batch(record_bytes: usize, batch_bytes: usize) -> (Vec<u8>, usize) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let mut value: Vec<u8> = Vec::with_capacity(record_bytes);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while value.len() < record_bytes {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        value.push((state >> 56) as u8);
    }
    let mut builder = BatchBuilder::new(BatchFields::default());
    loop {
        let before = builder.size();
        builder.push(now as i64, None, Some(&value), &[]);
        let record = builder.size() - before;
        if builder.size() + record > batch_bytes {
            break;
        }
    }
    let records = builder.record_count() as usize;
    (builder.finish(), records)
}

impl Requests {
    pub fn new(
        topic: &str,
        partitions: i32,
        acks: i16,
        version: i16,
        record_bytes: usize,
        batch_bytes: usize,
    ) -> Requests {
        let (records, batch_records) = batch(record_bytes, batch_bytes);
        let batch_bytes = records.len();
        let whole = |index: usize| {
            let index_of_partition = (index % partitions as usize) as i32;
            let data = PartitionProduceData { index: index_of_partition, records: Some(&records) };
            let topic = TopicProduceData {
                name: topic,
                partition_data: vec![data],
                ..TopicProduceData::default()
            };
            let request = ProduceRequest {
                acks,
                timeout_ms: 30_000,
                topic_data: vec![topic],
                ..ProduceRequest::default()
            };
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes);
            frame::write_request::<Produce>(
                &mut writer,
                version,
                index as i32,
                Some("measure"),
                &request,
            );
            bytes
        };
        // Behind the records: the empty tags of partition, topic and request.
        let tail = vec![0; if version >= Produce::FLEXIBLE { 3 } else { 0 }];
        let frame_bytes = whole(0).len();
        let partitions = partitions as usize;
        if frame_bytes > JOINED_FRAME_MAX {
            let head = |index| {
                let mut bytes = whole(index);
                bytes.truncate(bytes.len() - records.len() - tail.len());
                bytes
            };
            let heads: Vec<_> = (0..partitions).map(head).collect();
            let layout = Layout::Split { heads, records, tail };
            return Requests { layout, count: partitions, batch_bytes, batch_records };
        }
        let count = partitions * (JOINED_BYTES / (frame_bytes * partitions)).max(1);
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for index in 0..count {
            starts.push(bytes.len());
            bytes.extend(whole(index));
        }
        starts.push(bytes.len());
        let layout = Layout::Joined { bytes, starts };
        Requests { layout, count, batch_bytes, batch_records }
    }

    pub fn frame_bytes(&self, index: usize) -> usize {
        match &self.layout {
            Layout::Joined { starts, .. } => starts[index + 1] - starts[index],
            Layout::Split { heads, records, tail } => {
                heads[index].len() + records.len() + tail.len()
            }
        }
    }

    /// Points `slices` at up to `most` requests from `index` on (and not beyond the round), less
    /// their first `skip` bytes. Yields how many slices that took.
    pub fn slices<'a>(
        &'a self,
        index: usize,
        skip: usize,
        most: usize,
        slices: &mut [IoSlice<'a>; SLICES_MAX],
    ) -> usize {
        let end = self.count.min(index + most);
        match &self.layout {
            Layout::Joined { bytes, starts } => {
                slices[0] = IoSlice::new(&bytes[starts[index] + skip..starts[end]]);
                1
            }
            Layout::Split { heads, records, tail } => {
                let mut used = 0;
                let mut skip = skip;
                for head in &heads[index..end.min(index + SLICES_MAX / 3)] {
                    for part in [head, records, tail] {
                        let cut = skip.min(part.len());
                        skip -= cut;
                        if cut < part.len() {
                            slices[used] = IoSlice::new(&part[cut..]);
                            used += 1;
                        }
                    }
                }
                used
            }
        }
    }
}
