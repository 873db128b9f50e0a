//! An idempotent producer with five batches in flight: what was not acknowledged when a connection
//! ended is sent again on the next one, with the same sequences and in the same order.

use std::collections::VecDeque;
use std::io;

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::produce::Produce;

use super::{Work, Worker};
use crate::client::Client;
use crate::history::Event;
use crate::topics::{Sequence, batch, new_producer_id};

const IN_FLIGHT_MAX: usize = 5;

#[derive(Default)]
pub struct Idempotent {
    identity: Option<(i64, i16)>,
    next_sequence: i32,
    /// In the order of their sequences.
    unacknowledged: VecDeque<(Vec<u64>, Vec<u8>)>,
}

impl Idempotent {
    fn identify(&mut self, client: &mut Client) -> io::Result<(i64, i16)> {
        if let Some(identity) = self.identity {
            return Ok(identity);
        }
        let (error, id, epoch) = new_producer_id(client)?;
        if error != ErrorCode::NONE {
            return Err(io::Error::other(error.to_string()));
        }
        self.next_sequence = 0;
        self.unacknowledged.clear();
        Ok(*self.identity.insert((id, epoch)))
    }

    fn add(&mut self, worker: &mut Worker, (producer_id, epoch): (i64, i16)) {
        let (count, ballast) = worker.new_batch_shape();
        let values = worker.new_values(count);
        let sequence = Sequence { producer_id, epoch, base: self.next_sequence };
        let bytes = batch(sequence, &values, ballast);
        self.next_sequence += count as i32;
        self.unacknowledged.push_back((values, bytes));
    }
}

impl Work for Idempotent {
    fn connection(&mut self, worker: &mut Worker, mut client: Client) -> io::Result<()> {
        let identity = self.identify(&mut client)?;
        let version = 3 + worker.dice.below(11) as i16;
        let mut in_flight = 0;
        loop {
            let target = 1 + worker.dice.below(IN_FLIGHT_MAX as u64) as usize;
            // What this connection has not carried yet comes first.
            while in_flight < self.unacknowledged.len() || in_flight < target {
                if in_flight == self.unacknowledged.len() {
                    if worker.is_stopped() {
                        break;
                    }
                    self.add(worker, identity);
                }
                let (values, bytes) = &self.unacknowledged[in_flight];
                worker.record(Event::Sent { key: worker.key(), values: values.clone() });
                let request = worker.topic.produce_request(version, worker.partition, -1, bytes);
                client.send::<Produce>(version, &request)?;
                in_flight += 1;
            }
            if in_flight == 0 {
                return Ok(());
            }
            // A client that gives up waiting: all of its batches may be there, none is known.
            if worker.dice.chance(1, 60) {
                return Ok(());
            }
            let answer = client.receive::<Produce>(version)?;
            let body = answer.body();
            let part = &body.responses[0].partition_responses[0];
            if part.error_code != ErrorCode::NONE {
                worker.wrong(part.error_code);
                self.identity = None;
                return Ok(());
            }
            let (values, _) = self.unacknowledged.pop_front().expect("it was in flight");
            in_flight -= 1;
            let (key, offset) = (worker.key(), part.base_offset);
            worker.record(Event::Acknowledged { key, offset, values });
            worker.breathe();
        }
    }
}
