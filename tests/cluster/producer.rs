//! A producer that never gives up: several batches in flight, all unanswered ones again after
//! anything went wrong.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::wire::messages::init_producer_id::{InitProducerId, InitProducerIdRequest};
use ringmain::wire::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use ringmain::wire::record::{BatchBuilder, BatchFields};

use crate::caller::Caller;
use crate::guide::{Guide, is_passing};
use crate::history::{History, Mark, Place, Promise};

const VERSION: i16 = 9;

pub struct Producer {
    pub guide: Guide,
    pub history: Rc<History>,
    pub topic: String,
    pub partition: i32,
    pub writer: u32,
    pub promise: Promise,
    /// Records to write in all.
    pub records: u32,
    pub in_flight_max: usize,
    /// Largest value in bytes.
    pub value_bytes_max: u64,
    pub random: Prng,
}

struct Batch {
    first: u32,
    count: u32,
    bytes: Vec<u8>,
}

/// What became of the oldest batch in flight.
enum Verdict {
    Stored(i64),
    /// Stored before; where, the broker does not remember.
    Known,
    Again,
    Wrong(ErrorCode),
}

impl Producer {
    pub async fn run(mut self) {
        self.history.writer(self.writer, self.promise);
        let identity = match self.promise {
            Promise::Once => self.identify().await,
            Promise::Written => (-1, -1),
        };
        let mut unanswered: VecDeque<Batch> = VecDeque::new();
        let mut next = 0;
        while next < self.records || !unanswered.is_empty() {
            let mut caller = self.guide.reach(&self.topic, self.partition).await;
            // The error was told by the connection; only nonsense is worth a word.
            if let Err(error) =
                self.converse(&mut caller, identity, &mut unanswered, &mut next).await
                && error.kind() == io::ErrorKind::InvalidData
            {
                self.history.fault(format!("writer {}: {error}", self.writer));
                return;
            }
            rt::sleep(Duration::from_millis(1 + self.random.below(30))).await;
        }
    }

    async fn identify(&self) -> (i64, i16) {
        loop {
            if let Ok(mut caller) = Caller::connect(self.guide.bootstrap).await {
                let request = InitProducerIdRequest::default();
                let answer = caller
                    .call::<InitProducerId, _>(4, &request, |answer| {
                        (answer.error_code, answer.producer_id, answer.producer_epoch)
                    })
                    .await;
                if let Ok((ErrorCode::NONE, id, epoch)) = answer {
                    return (id, epoch);
                }
            }
            rt::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn converse(
        &mut self,
        caller: &mut Caller,
        identity: (i64, i16),
        unanswered: &mut VecDeque<Batch>,
        next: &mut u32,
    ) -> io::Result<()> {
        let mut asked = 0;
        while *next < self.records || !unanswered.is_empty() {
            let room = asked < self.in_flight_max;
            if room && asked == unanswered.len() && *next < self.records {
                unanswered.push_back(self.batch(identity, next));
            }
            if room && asked < unanswered.len() {
                self.ask(caller, &unanswered[asked].bytes).await?;
                asked += 1;
                // Now and then several go out at once.
                if self.random.chance(1, 2) {
                    continue;
                }
            }
            match self.verdict(caller).await? {
                Verdict::Stored(base_offset) => {
                    let batch = unanswered.pop_front().expect("something was asked");
                    for index in 0..batch.count {
                        let place = self.place(base_offset + i64::from(index));
                        self.history.acknowledged(self.mark(batch.first + index), place);
                    }
                }
                Verdict::Known => drop(unanswered.pop_front()),
                Verdict::Again => return Ok(()),
                Verdict::Wrong(error) => {
                    let batch = unanswered.pop_front().expect("something was asked");
                    let Batch { first, count, .. } = batch;
                    let writer = self.writer;
                    let fault = format!("writer {writer}: {error:?} for {first}, {count} records");
                    self.history.fault(fault);
                }
            }
            asked -= 1;
        }
        Ok(())
    }

    async fn ask(&self, caller: &mut Caller, records: &[u8]) -> io::Result<()> {
        let partition = PartitionProduceData { index: self.partition, records: Some(records) };
        let topic = TopicProduceData {
            name: &self.topic,
            partition_data: vec![partition],
            ..Default::default()
        };
        let acks = if self.promise == Promise::Once { -1 } else { 1 };
        let request = ProduceRequest {
            acks,
            timeout_ms: 20_000,
            topic_data: vec![topic],
            ..Default::default()
        };
        caller.ask::<Produce>(VERSION, &request).await
    }

    async fn verdict(&self, caller: &mut Caller) -> io::Result<Verdict> {
        caller
            .answer::<Produce, _>(VERSION, |answer| {
                let partition = &answer.responses[0].partition_responses[0];
                match partition.error_code {
                    ErrorCode::NONE => Verdict::Stored(partition.base_offset),
                    ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Verdict::Known,
                    error if is_passing(error) => Verdict::Again,
                    error => Verdict::Wrong(error),
                }
            })
            .await
    }

    fn batch(&mut self, (producer_id, producer_epoch): (i64, i16), next: &mut u32) -> Batch {
        let first = *next;
        let count = (1 + self.random.below(4) as u32).min(self.records - first);
        let base_sequence = if producer_id < 0 { -1 } else { first as i32 };
        let mut builder = BatchBuilder::new(BatchFields {
            producer_id,
            producer_epoch,
            base_sequence,
            ..Default::default()
        });
        for number in first..first + count {
            let mark = self.mark(number);
            self.history.sent(mark);
            let mut value = encode(mark).to_vec();
            value.resize(8 + self.random.below(self.value_bytes_max) as usize, number as u8);
            builder.push(rt::unix_ms(), None, Some(&value), &[]);
        }
        *next += count;
        Batch { first, count, bytes: builder.finish() }
    }

    fn mark(&self, number: u32) -> Mark {
        Mark { writer: self.writer, number }
    }

    fn place(&self, offset: i64) -> Place {
        Place { topic: self.topic.clone(), partition: self.partition, offset }
    }
}

fn encode(mark: Mark) -> [u8; 8] {
    (u64::from(mark.writer) << 32 | u64::from(mark.number)).to_be_bytes()
}

pub fn decode(value: &[u8]) -> Option<Mark> {
    let word = u64::from_be_bytes(*value.first_chunk()?);
    let number = word as u32;
    let sound = value[8..].iter().all(|byte| *byte == number as u8);
    sound.then_some(Mark { writer: (word >> 32) as u32, number })
}
