//! What a reader of committed records is shown, as a consumer makes it of an answer.

use std::collections::BTreeSet;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::batch::Batches;
use ringmain::wire::messages::fetch::{Fetch, FetchRequest};
use ringmain::wire::record::RecordReader;
use ringmain::wire::value::Records;

use crate::client::Client;
use crate::topics::{Topic, from};

const VERSION: i16 = 12;
const COMMITTED: i8 = 1;

/// One answer.
#[derive(Debug)]
pub struct Shown {
    pub records: Vec<(i64, u64)>,
    pub next_offset: i64,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
}

impl Shown {
    /// Nothing that readers of committed records wait for.
    pub fn is_stable(&self) -> bool {
        self.last_stable_offset >= self.high_watermark
    }
}

/// One fetch of committed records.
pub fn fetch(
    client: &mut Client,
    topic: &Topic,
    partition: i32,
    offset: i64,
    wait_ms: i32,
) -> io::Result<Result<Shown, ErrorCode>> {
    let wanted = from(partition, offset);
    let request = FetchRequest {
        isolation_level: COMMITTED,
        max_wait_ms: wait_ms,
        ..topic.fetch_request(VERSION, wanted)
    };
    let answer = client.call::<Fetch>(VERSION, &request)?;
    let body = answer.body();
    let told = &body.responses[0].partitions[0];
    if told.error_code != ErrorCode::NONE {
        return Ok(Err(told.error_code));
    }
    let mut shown = Shown {
        records: Vec::new(),
        next_offset: offset,
        high_watermark: told.high_watermark,
        last_stable_offset: told.last_stable_offset,
    };
    let aborted = told.aborted_transactions.iter().flatten();
    let mut aborted: Vec<(i64, i64)> =
        aborted.map(|it| (it.first_offset, it.producer_id)).collect();
    aborted.sort_unstable();
    if let Records::Bytes(bytes) = &told.records {
        unpack(bytes, offset, aborted, &mut shown);
    }
    Ok(Ok(shown))
}

/// A producer's batches count for nothing from where its aborted transaction begins to its marker.
fn unpack(bytes: &[u8], offset: i64, aborted: Vec<(i64, i64)>, shown: &mut Shown) {
    let mut aborted = aborted.into_iter().peekable();
    let mut ignored = BTreeSet::new();
    for batch in Batches::new(bytes) {
        let batch = batch.expect("whole batches");
        batch.check_crc().expect("a good checksum");
        let header = batch.header;
        while let Some((_, id)) = aborted.next_if(|(first, _)| *first <= header.last_offset()) {
            ignored.insert(id);
        }
        shown.next_offset = header.next_offset();
        let of_aborted = header.is_transactional() && ignored.contains(&header.producer_id());
        for record in RecordReader::new(batch.payload(), header.record_count()) {
            let record = record.expect("a good record");
            let at = header.base_offset() + i64::from(record.offset_delta);
            if header.is_control() {
                ignored.remove(&header.producer_id());
            } else if at >= offset && !of_aborted {
                let value = record.value.and_then(|value| value.first_chunk::<8>());
                shown.records.push((at, u64::from_be_bytes(*value.expect("a value"))));
            }
        }
    }
}

/// Everything that is committed, when all that was under way has ended; what stays open for longer
/// than `patience` is an error.
pub fn settled(
    client: &mut Client,
    topic: &Topic,
    partition: i32,
    patience: Duration,
) -> Result<Vec<(i64, u64)>, String> {
    let began = Instant::now();
    let (mut records, mut offset) = (Vec::new(), 0);
    loop {
        let shown = match fetch(client, topic, partition, offset, 0).expect("an answer") {
            Ok(shown) => shown,
            Err(code) => return Err(format!("{}-{partition}: {code}", topic.name)),
        };
        records.extend_from_slice(&shown.records);
        if shown.next_offset == offset && shown.is_stable() {
            return Ok(records);
        }
        if shown.next_offset == offset {
            if began.elapsed() > patience {
                let Shown { last_stable_offset, high_watermark, .. } = shown;
                return Err(format!(
                    "{}-{partition}: the last stable offset stays at {last_stable_offset} of \
                     {high_watermark}",
                    topic.name
                ));
            }
            thread::sleep(Duration::from_millis(5));
        }
        offset = shown.next_offset;
    }
}
