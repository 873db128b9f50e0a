//! A consumer at the end of one partition. It goes on where it was, over any number of connections.

use std::io;

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::fetch::{Fetch, FetchRequest};

use super::{Work, Worker};
use crate::client::Client;
use crate::history::Event;
use crate::topics::{Fetched, LATEST, from};

const WAIT_MS: i32 = 40;

#[derive(Default)]
pub struct Consumer {
    position: i64,
}

impl Work for Consumer {
    fn connection(&mut self, worker: &mut Worker, mut client: Client) -> io::Result<()> {
        let version = 4 + worker.dice.below(15) as i16;
        while !worker.is_stopped() {
            let wanted = from(worker.partition, self.position);
            let request = FetchRequest {
                max_wait_ms: WAIT_MS,
                ..worker.topic.fetch_request(version, wanted)
            };
            let answer = client.call::<Fetch>(version, &request)?;
            let body = answer.body();
            let fetched = Fetched::of(&body.responses);
            let key = worker.key();
            if fetched.error == ErrorCode::OFFSET_OUT_OF_RANGE {
                worker.wrong(format!("position {} is out of range", self.position));
                let end = worker.topic.offset_at(&mut client, worker.partition, LATEST)?;
                self.position = end;
                worker.record(Event::Moved { key, offset: end });
                continue;
            }
            if fetched.error != ErrorCode::NONE {
                worker.wrong(fetched.error);
                return Err(io::Error::other(fetched.error.to_string()));
            }
            // A batch may begin before the offset that was asked for.
            let next = fetched.next_offset(self.position);
            let records = fetched.records.into_iter();
            let records: Vec<_> = records.filter(|&(offset, _)| offset >= self.position).collect();
            if !records.is_empty() {
                worker.record(Event::Polled { key, records });
            }
            self.position = next;
        }
        Ok(())
    }
}
