//! The answer to a fetch: offsets move on, records are counted and, at the tail, timed.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use ringmain::model::ErrorCode;
use ringmain::wire::batch::{Batch, BatchError, Batches};
use ringmain::wire::compression::{self, Codec};
use ringmain::wire::messages::fetch::{Fetch, FetchResponse, PartitionData};
use ringmain::wire::record::RecordReader;
use ringmain::wire::value::Records;
use ringmain::wire::{Message, Reader, frame};

use super::{Common, Reading, Role};
use crate::driver::Nanos;
use crate::lean::rpc;
use crate::lean::template;
use crate::tally::{Count, Tally};

const DECOMPRESSED_MAX: usize = 256 << 20;

/// What an answer held.
#[derive(Default)]
pub struct Counted {
    pub count: Count,
    /// Some partition could not be read: wait a little before the next fetch.
    pub failed: bool,
}

/// Who takes an answer, and when.
pub struct Taker<'a> {
    pub common: &'a Common,
    pub role: Role,
    pub now: Nanos,
    /// Decompressed records are put here.
    pub scratch: &'a mut Vec<u8>,
    pub tally: &'a mut Tally,
}

impl Taker<'_> {
    /// Moves the readings and the session (id and epoch) on.
    pub fn take(
        &mut self,
        answer: &[u8],
        correlation_id: i32,
        readings: &mut BTreeMap<(Rc<str>, i32), Reading>,
        session: &mut (i32, i32),
    ) -> io::Result<Counted> {
        let mut reader = Reader::new(answer);
        let version = self.common.version;
        let found =
            frame::read_response_header::<Fetch>(&mut reader, version).map_err(rpc::malformed)?;
        if found != correlation_id {
            return Err(io::Error::other("answers are out of order"));
        }
        let response = FetchResponse::decode(&mut reader, version).map_err(rpc::malformed)?;
        let mut counted = Counted::default();
        match response.error_code {
            ErrorCode::NONE => {}
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND | ErrorCode::INVALID_FETCH_SESSION_EPOCH => {
                *session = (0, 0);
                return Ok(counted);
            }
            code => return rpc::check("Fetch", code).map(|()| counted),
        }
        // Whatever asked anew meanwhile (epoch 0) is told of the session that was made for it.
        *session = match (response.session_id, session.1) {
            (0, _) => (0, 0),
            (id, epoch) => (id, if epoch == i32::MAX { 1 } else { epoch + 1 }),
        };
        counted.count.requests = 1;
        for topic in &response.responses {
            let name: Rc<str> = topic.topic.into();
            for part in &topic.partitions {
                // One that was revoked meanwhile.
                let Some(reading) = readings.get_mut(&(name.clone(), part.partition_index)) else {
                    continue;
                };
                match part.error_code {
                    ErrorCode::NONE => {}
                    ErrorCode::NOT_LEADER_OR_FOLLOWER
                    | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                    | ErrorCode::LEADER_NOT_AVAILABLE => {
                        counted.failed = true;
                        reading.changed = true;
                        continue;
                    }
                    code => return rpc::check("Fetch", code).map(|()| counted),
                }
                self.partition(part, reading, &mut counted.count)?;
            }
        }
        Ok(counted)
    }

    fn partition(
        &mut self,
        part: &PartitionData<'_>,
        reading: &mut Reading,
        count: &mut Count,
    ) -> io::Result<()> {
        let readable = [part.high_watermark, part.last_stable_offset];
        reading.high_watermark = readable[self.common.settings.isolation_level as usize];
        let Records::Bytes(bytes) = part.records else { return Ok(()) };
        for batch in Batches::new(bytes) {
            let batch = match batch {
                Ok(batch) => batch,
                // The last one may be cut off.
                Err(BatchError::Incomplete) => break,
                Err(error) => return Err(io::Error::other(error)),
            };
            let header = batch.header;
            if header.next_offset() <= reading.offset {
                continue;
            }
            reading.offset = header.next_offset();
            reading.changed = true;
            count.wire_bytes += header.size() as u64;
            if !header.is_control() {
                count.records += header.record_count() as u64;
                count.bytes += self.values(&batch)?;
            }
        }
        if self.role == Role::CatchUp && reading.offset >= reading.end {
            reading.offset = reading.first;
            reading.changed = true;
        }
        Ok(())
    }

    /// Times the records of a batch, and yields the bytes of their values.
    fn values(&mut self, batch: &Batch<'_>) -> io::Result<u64> {
        let header = batch.header;
        if self.role == Role::CatchUp {
            // Old records are only counted: their bytes by the batch.
            return Ok(batch.payload().len() as u64);
        }
        let payload = match header.codec() {
            Some(Codec::None) => batch.payload(),
            codec => {
                let codec = codec.ok_or_else(|| io::Error::other("a codec that does not exist"))?;
                *self.scratch = compression::decompress(codec, batch.payload(), DECOMPRESSED_MAX)
                    .map_err(io::Error::other)?;
                self.scratch.as_slice()
            }
        };
        let mut bytes = 0;
        for record in RecordReader::new(payload, header.record_count()) {
            let value = record.map_err(rpc::malformed)?.value.unwrap_or_default();
            bytes += value.len() as u64;
            if let Some(due) = template::due(value) {
                self.tally.arrived(&self.common.window, due, self.now);
            }
        }
        Ok(bytes)
    }
}
