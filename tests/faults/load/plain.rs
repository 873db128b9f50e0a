//! A producer without idempotence: several requests in flight, nothing is ever sent twice.

use std::collections::VecDeque;
use std::io;

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::produce::Produce;

use super::{Work, Worker};
use crate::client::Client;
use crate::history::Event;
use crate::topics::{Sequence, batch};

const IN_FLIGHT_MAX: usize = 3;

pub struct Plain {
    pub acks: i16,
}

impl Work for Plain {
    fn connection(&mut self, worker: &mut Worker, mut client: Client) -> io::Result<()> {
        let version = 3 + worker.dice.below(11) as i16;
        let mut in_flight = VecDeque::new();
        loop {
            while in_flight.len() < IN_FLIGHT_MAX && !worker.is_stopped() {
                let (count, ballast) = worker.new_batch_shape();
                let values = worker.new_values(count);
                let bytes = batch(Sequence::NONE, &values, ballast);
                worker.record(Event::Sent { key: worker.key(), values: values.clone() });
                let topic = &worker.topic;
                let request = topic.produce_request(version, worker.partition, self.acks, &bytes);
                client.send::<Produce>(version, &request)?;
                in_flight.push_back(values);
            }
            let Some(values) = in_flight.pop_front() else { return Ok(()) };
            let answer = client.receive::<Produce>(version)?;
            let body = answer.body();
            let part = &body.responses[0].partition_responses[0];
            let (key, offset) = (worker.key(), part.base_offset);
            if part.error_code == ErrorCode::NONE {
                worker.record(Event::Acknowledged { key, offset, values });
            } else {
                worker.wrong(part.error_code);
                worker.record(Event::Refused { key, values });
            }
            worker.breathe();
        }
    }
}
