//! Requests on their way: laid out directly into the connection's outbox.

use std::io;

use ringmain::wire::frame::{self, RequestHeader};
use ringmain::wire::messages::produce::Produce;
use ringmain::wire::{Api, Writer};

use super::{Batch, Lane, Producer};
use crate::clock;
use crate::driver::Nanos;
use crate::tally::{Count, Tally, Way};

const CLIENT_ID: &str = "ringmain-bench";

pub struct Request {
    pub correlation_id: i32,
    pub sent: Nanos,
    pub batches: Vec<Batch>,
}

impl Producer {
    /// Sends what may leave by one connection.
    pub(super) fn send(&mut self, at: usize, now: Nanos, tally: &mut Tally) -> io::Result<()> {
        let most = self.common.settings.in_flight_max;
        while self.lanes[at].in_flight.len() < most
            && let Some(batches) = self.choose(at)
        {
            self.write(at, batches, now, tally);
            self.lanes[at].link.flush()?;
        }
        Ok(())
    }

    /// One batch of each partition that waits, as many as fit into a request.
    fn choose(&mut self, at: usize) -> Option<Vec<Batch>> {
        let only_again = self.transaction.as_ref().is_some_and(|one| !one.takes_more());
        let Producer { lanes, parts, spare, common, sticky, pending, author, .. } = self;
        let partitions = parts.len();
        let ready = &mut lanes[at].ready;
        let full = common.template.records_max();
        let batch_bytes = common.template.size(full).unwrap_or(common.settings.batch_bytes);
        let batches_max = (common.settings.request_bytes_max / batch_bytes.max(1)).max(1);
        let mut batches = Vec::new();
        for _ in 0..ready.len() {
            if batches.len() == batches_max {
                break;
            }
            let Some(partition) = ready.pop_front() else { break };
            let part = &mut parts[partition as usize];
            if only_again && !part.is_again() {
                ready.push_back(partition);
                continue;
            }
            let Some(mut batch) = part.next(|| spare.pop().unwrap_or_default()) else { continue };
            batch.partition = partition;
            if partition as usize == *sticky {
                *sticky = (*sticky + 1) % partitions;
            }
            if part.has_more() {
                part.announce(partition as usize, ready);
            }
            *pending -= batch.dues.len();
            if author.id >= 0 && batch.sequence.is_none() {
                batch.sequence = Some(part.next_sequence);
                // Sequences go round behind the highest (Kafka: DefaultRecordBatch).
                let next = i64::from(part.next_sequence) + batch.dues.len() as i64;
                part.next_sequence = (next % (i64::from(i32::MAX) + 1)) as i32;
            }
            batches.push(batch);
        }
        (!batches.is_empty()).then_some(batches)
    }

    fn write(&mut self, at: usize, mut batches: Vec<Batch>, now: Nanos, tally: &mut Tally) {
        let Producer { lanes, common, topic, author, scratch, transaction, spare, .. } = self;
        let Lane { link, in_flight, .. } = &mut lanes[at];
        let settings = &common.settings;
        let version = common.version;
        let flexible = version >= Produce::FLEXIBLE;
        let correlation_id = link.next_correlation_id();
        let out = link.outbox();
        let mut writer = Writer::new(out);
        let open = frame::open(&mut writer);
        let header = RequestHeader {
            api_key: Produce::KEY,
            version,
            correlation_id,
            client_id: Some(CLIENT_ID),
        };
        header.encode(&mut writer);
        writer.string(transaction.as_ref().map(|transaction| transaction.id()), flexible);
        writer.i16(settings.acks);
        writer.i32(settings.timeout_ms);
        writer.count(Some(1), flexible);
        writer.string(Some(topic), flexible);
        writer.count(Some(batches.len()), flexible);
        for batch in &mut batches {
            let sequence = batch.sequence.unwrap_or(-1);
            let mut writer = Writer::new(out);
            writer.i32(batch.partition as i32);
            match common.template.size(batch.dues.len()) {
                Some(size) => {
                    writer.count(Some(size), flexible);
                    batch.wire_bytes = size as u32;
                    common.template.write(&batch.dues, &batch.keys, *author, sequence, out);
                }
                None => {
                    scratch.clear();
                    common.template.write(&batch.dues, &batch.keys, *author, sequence, scratch);
                    writer.bytes(Some(scratch), flexible);
                    batch.wire_bytes = scratch.len() as u32;
                }
            }
            if flexible {
                out.push(0);
            }
        }
        if flexible {
            out.extend([0, 0]);
        }
        frame::close(&mut Writer::new(out), open);
        let sent = clock::now();
        let window = &common.window;
        for due in batches.iter().filter(|batch| batch.tries == 0).map(|batch| batch.dues[0]) {
            // What the broker held up is not the client's doing: only what could leave at once.
            if in_flight.is_empty() && window.holds(due) {
                let late = sent.saturating_sub(due + settings.linger);
                tally.late.saturating_record(late);
            }
        }
        if settings.acks == 0 {
            let mut counted = Count { requests: 1, ..Count::default() };
            for mut batch in batches {
                let records = batch.dues.len() as u64;
                counted.records += records;
                counted.bytes += records * common.template.value_bytes() as u64;
                counted.wire_bytes += u64::from(batch.wire_bytes);
                batch.clear();
                spare.push(batch);
            }
            tally.count(window, Way::Produced, now, counted);
            let sent = counted.records;
            window.acknowledged.fetch_add(sent, std::sync::atomic::Ordering::Relaxed);
            return;
        }
        if let Some(transaction) = transaction {
            transaction.sent(batches.iter().filter(|batch| batch.tries == 0).count(), now);
        }
        in_flight.push_back(Request { correlation_id, sent, batches });
    }
}
