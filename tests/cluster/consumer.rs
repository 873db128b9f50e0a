//! A consumer that reads one partition from an offset on.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::wire::batch::Batches;
use ringmain::wire::messages::fetch::{Fetch, FetchPartition, FetchRequest, FetchTopic};
use ringmain::wire::record::RecordReader;
use ringmain::wire::value::Records;

use crate::caller::Caller;
use crate::guide::{Guide, is_passing};
use crate::history::{History, Mark, Place};
use crate::producer::decode;

const VERSION: i16 = 12;

pub struct Consumer {
    pub guide: Guide,
    pub history: Rc<History>,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub max_bytes: i32,
}

/// One answer.
struct Fetched {
    error: ErrorCode,
    high_watermark: i64,
    records: Vec<(i64, Mark)>,
    faults: Vec<String>,
}

impl Consumer {
    /// Reads for ever, whatever happens, and tells the history what it saw.
    pub async fn follow(mut self) {
        loop {
            let mut caller = self.guide.reach(&self.topic, self.partition).await;
            while let Ok(fetched) = self.fetch(&mut caller, 500).await {
                let none = fetched.error.is_none();
                self.take(fetched);
                if !none {
                    break;
                }
            }
            rt::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Reads to the high watermark of a quiet partition.
    pub async fn read_to_end(mut self) -> Vec<(Place, Mark)> {
        let mut content = Vec::new();
        loop {
            let mut caller = self.guide.reach(&self.topic, self.partition).await;
            while let Ok(fetched) = self.fetch(&mut caller, 0).await {
                if !fetched.error.is_none() {
                    self.take(fetched);
                    break;
                }
                let high_watermark = fetched.high_watermark;
                content.extend(fetched.records.iter().map(|(o, mark)| (self.place(*o), *mark)));
                self.take(fetched);
                if self.offset >= high_watermark {
                    return content;
                }
            }
            rt::sleep(Duration::from_millis(20)).await;
        }
    }

    fn place(&self, offset: i64) -> Place {
        Place { topic: self.topic.clone(), partition: self.partition, offset }
    }

    fn take(&mut self, fetched: Fetched) {
        for fault in fetched.faults {
            self.history.fault(format!("{}-{}: {fault}", self.topic, self.partition));
        }
        for (offset, mark) in fetched.records {
            self.history.read(self.place(offset), mark);
            self.offset = offset + 1;
        }
        let error = fetched.error;
        if !error.is_none() && !is_passing(error) {
            let Consumer { topic, partition, offset, .. } = self;
            self.history.fault(format!("{topic}-{partition} at {offset}: {error:?}"));
        }
    }

    async fn fetch(&self, caller: &mut Caller, max_wait_ms: i32) -> io::Result<Fetched> {
        let partition = FetchPartition {
            partition: self.partition,
            fetch_offset: self.offset,
            partition_max_bytes: self.max_bytes,
            ..Default::default()
        };
        let topic =
            FetchTopic { topic: &self.topic, partitions: vec![partition], ..Default::default() };
        let request =
            FetchRequest { max_wait_ms, min_bytes: 1, topics: vec![topic], ..Default::default() };
        let offset = self.offset;
        caller
            .call::<Fetch, _>(VERSION, &request, |answer| {
                let Some(partition) =
                    answer.responses.first().and_then(|topic| topic.partitions.first())
                else {
                    let (records, faults) = (Vec::new(), Vec::new());
                    return Fetched {
                        error: answer.error_code,
                        high_watermark: -1,
                        records,
                        faults,
                    };
                };
                let bytes = match &partition.records {
                    Records::Bytes(bytes) => bytes,
                    _ => &[][..],
                };
                let (records, faults) = unpack(bytes, offset, partition.high_watermark);
                Fetched {
                    error: partition.error_code,
                    high_watermark: partition.high_watermark,
                    records,
                    faults,
                }
            })
            .await
    }
}

/// The records from `offset` on, and what is wrong with the bytes.
fn unpack(bytes: &[u8], offset: i64, high_watermark: i64) -> (Vec<(i64, Mark)>, Vec<String>) {
    let (mut records, mut faults) = (Vec::new(), Vec::new());
    let mut next = None;
    for batch in Batches::new(bytes) {
        // The last one may be cut off.
        let Ok(batch) = batch else { break };
        if let Err(error) = batch.check_crc() {
            faults.push(format!("a batch at {} fails: {error:?}", batch.header.base_offset()));
            break;
        }
        let base = batch.header.base_offset();
        if next.is_some_and(|next| next != base) || batch.header.last_offset() >= high_watermark {
            faults.push(format!("a batch at {base}, after {next:?}, below {high_watermark}"));
        }
        next = Some(batch.header.next_offset());
        let reader = RecordReader::new(batch.payload(), batch.header.record_count());
        for record in reader {
            let Ok(record) = record else {
                faults.push(format!("a record of the batch at {base} cannot be read"));
                break;
            };
            let at = base + i64::from(record.offset_delta);
            match record.value.and_then(decode) {
                Some(mark) if at >= offset => records.push((at, mark)),
                Some(_) => {}
                None => faults.push(format!("garbage at {at}")),
            }
        }
    }
    (records, faults)
}
