//! A consumer that reads what is committed, and leaves out what was aborted as clients do.

use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::wire::batch::Batches;
use ringmain::wire::messages::fetch::{Fetch, FetchPartition, FetchRequest, FetchTopic};
use ringmain::wire::record::RecordReader;
use ringmain::wire::value::Records;

use super::outcome::Outcomes;
use crate::caller::Caller;
use crate::guide::Guide;

const VERSION: i16 = 12;
const COMMITTED: i8 = 1;

pub struct Reader {
    pub guide: Guide,
    pub topic: &'static str,
    pub partition: i32,
}

#[derive(Default)]
pub struct Seen {
    /// The numbers of transactions, in the order of the log.
    pub numbers: Vec<u32>,
    /// The last stable offset is not where the log ends.
    pub hanging: Option<String>,
}

struct Answer {
    error: ErrorCode,
    next_offset: i64,
    high_watermark: i64,
    last_stable_offset: i64,
    numbers: Vec<u32>,
}

impl Reader {
    /// Reads for ever, whatever happens, and tells what it is shown.
    pub async fn follow(self, outcomes: Rc<Outcomes>) {
        let (mut offset, mut idle_ms) = (0, 0);
        loop {
            let mut caller = self.guide.reach(self.topic, self.partition).await;
            while let Ok(answer) = self.fetch(&mut caller, offset).await {
                if !answer.error.is_none() {
                    break;
                }
                outcomes.shown(self.partition, answer.numbers);
                // Where nothing comes for long, nothing is looked for often.
                idle_ms =
                    if offset == answer.next_offset { (2 * idle_ms).clamp(5, 160) } else { 0 };
                if idle_ms > 0 {
                    rt::sleep(Duration::from_millis(idle_ms)).await;
                }
                offset = answer.next_offset;
            }
            rt::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn read_committed(self) -> Seen {
        let mut seen = Seen::default();
        let mut offset = 0;
        loop {
            let mut caller = self.guide.reach(self.topic, self.partition).await;
            while let Ok(answer) = self.fetch(&mut caller, offset).await {
                if !answer.error.is_none() {
                    break;
                }
                seen.numbers.extend(answer.numbers);
                let ended = offset == answer.next_offset;
                offset = answer.next_offset;
                if ended {
                    let (high, stable) = (answer.high_watermark, answer.last_stable_offset);
                    seen.hanging = (offset < high).then(|| {
                        format!("read to {offset}, last stable offset {stable}, log end {high}")
                    });
                    return seen;
                }
            }
            rt::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn fetch(&self, caller: &mut Caller, offset: i64) -> io::Result<Answer> {
        let partition = FetchPartition {
            partition: self.partition,
            fetch_offset: offset,
            partition_max_bytes: 4096,
            ..Default::default()
        };
        let partitions = vec![partition];
        let topic = FetchTopic { topic: self.topic, partitions, ..Default::default() };
        let request = FetchRequest {
            min_bytes: 0,
            isolation_level: COMMITTED,
            topics: vec![topic],
            ..Default::default()
        };
        caller
            .call::<Fetch, _>(VERSION, &request, |answer| {
                let told = answer.responses.first().and_then(|topic| topic.partitions.first());
                let mut out = Answer {
                    error: ErrorCode::UNKNOWN_SERVER_ERROR,
                    next_offset: offset,
                    high_watermark: -1,
                    last_stable_offset: -1,
                    numbers: Vec::new(),
                };
                let Some(told) = told else { return out };
                out.error = told.error_code;
                out.high_watermark = told.high_watermark;
                out.last_stable_offset = told.last_stable_offset;
                let aborted = told.aborted_transactions.iter().flatten();
                let mut aborted: Vec<(i64, i64)> =
                    aborted.map(|it| (it.first_offset, it.producer_id)).collect();
                aborted.sort_unstable();
                if let Records::Bytes(bytes) = &told.records {
                    unpack(bytes, offset, aborted, &mut out);
                }
                out
            })
            .await
    }
}

/// As consumers do: a producer's batches count for nothing from where its aborted transaction
/// begins to the marker that ends it.
fn unpack(bytes: &[u8], offset: i64, aborted: Vec<(i64, i64)>, out: &mut Answer) {
    let mut aborted = aborted.into_iter().peekable();
    let mut ignored = BTreeSet::new();
    for batch in Batches::new(bytes) {
        let Ok(batch) = batch else { break };
        let header = batch.header;
        while let Some((_, id)) = aborted.next_if(|(first, _)| *first <= header.last_offset()) {
            ignored.insert(id);
        }
        out.next_offset = header.next_offset();
        let records = RecordReader::new(batch.payload(), header.record_count()).flatten();
        for record in records {
            let at = header.base_offset() + i64::from(record.offset_delta);
            if header.is_control() {
                ignored.remove(&header.producer_id());
            } else if at >= offset && !ignored.contains(&header.producer_id()) {
                let value = record.value.and_then(|value| value.first_chunk::<4>());
                out.numbers.push(u32::from_be_bytes(*value.expect("a number was written")));
            }
        }
    }
}
