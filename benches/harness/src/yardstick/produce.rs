//! The producing side of the load: prebuilt requests, a window of them in flight on each connection,
//! answers checked and thrown away. Also drives the ceiling, which answers with bare frames.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use clap::Args;
use ringmain::wire::messages::produce::{Produce as Api, ProduceResponse};
use ringmain::wire::{Message, Reader, frame};

use crate::lean::links::{Links, closed, ready};
use crate::lean::rpc;
use crate::yardstick::gauge::{Gauge, GaugeArguments};
use crate::yardstick::pin;
use crate::yardstick::requests::{Requests, SLICES_MAX};

/// Answers are read into this much.
const INBOX_BYTES: usize = 64 << 10;

#[derive(Args)]
pub struct Produce {
    /// The broker, or the ceiling
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    #[arg(long, default_value = "load")]
    topic: String,
    /// Partitions of the topic, written to in turn
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// Bytes of a record's value
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Most bytes of a batch; one record at least
    #[arg(long, default_value = "64k", value_parser = crate::yardstick::bytes)]
    batch_bytes: u64,
    /// 0, 1 or -1 (all)
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    acks: i16,
    /// Requests in flight on each connection
    #[arg(long, default_value_t = 32)]
    in_flight: usize,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Of the produce request, up to 12
    #[arg(long, default_value_t = 11)]
    version: i16,
    /// The other side is the ceiling
    #[arg(long)]
    bare: bool,
    #[command(flatten)]
    gauge: GaugeArguments,
}

struct Link<'a> {
    stream: TcpStream,
    requests: &'a Requests,
    arguments: &'a Produce,
    /// The request being sent, how much of it was, and since when.
    next: usize,
    sent: usize,
    since: Instant,
    /// When each unanswered request was sent, and which the first of them is.
    in_flight: VecDeque<Instant>,
    expected: usize,
    inbox: Vec<u8>,
    filled: usize,
}

pub fn run(arguments: &Produce) -> io::Result<()> {
    pin(arguments.gauge.cpu)?;
    if !(3..=12).contains(&arguments.version) {
        return Err(io::Error::other("versions from 3 to 12 name topics"));
    }
    let requests = Requests::new(
        &arguments.topic,
        arguments.partitions,
        arguments.acks,
        arguments.version,
        arguments.record_bytes,
        arguments.batch_bytes as usize,
    );
    let mut gauge = Gauge::new(&arguments.gauge);
    let mut links = Links::new()?;
    let mut open = Vec::new();
    for key in 0..arguments.connections {
        open.push(Link {
            stream: links.connect(&arguments.to, key)?,
            requests: &requests,
            arguments,
            // Connections begin in different places of the round.
            next: key * requests.count / arguments.connections,
            sent: 0,
            since: Instant::now(),
            in_flight: VecDeque::with_capacity(arguments.in_flight),
            expected: key * requests.count / arguments.connections,
            inbox: vec![0; INBOX_BYTES],
            filled: 0,
        });
    }
    while !gauge.is_over(Instant::now())? {
        for key in links.wait()? {
            open[key].go_on(&mut gauge)?;
        }
    }
    gauge.report("produce")
}

impl Link<'_> {
    /// Until neither direction gets on.
    fn go_on(&mut self, gauge: &mut Gauge) -> io::Result<()> {
        loop {
            let received = self.receive(gauge)?;
            let sent = self.send(gauge)?;
            if !received && !sent {
                return Ok(());
            }
        }
    }

    /// False when there was nothing.
    fn receive(&mut self, gauge: &mut Gauge) -> io::Result<bool> {
        let Some(count) = ready(self.stream.read(&mut self.inbox[self.filled..]))? else {
            return Ok(false);
        };
        if count == 0 {
            return Err(closed());
        }
        self.filled += count;
        let now = Instant::now();
        let mut at = 0;
        while let Some(prefix) = self.inbox[at..self.filled].first_chunk() {
            let len = frame::length(*prefix, INBOX_BYTES - 4).map_err(rpc::malformed)?;
            let Some(answer) = self.inbox[..self.filled].get(at + 4..at + 4 + len) else { break };
            check(answer, self.expected as i32, self.arguments)?;
            at += 4 + len;
            self.expected = (self.expected + 1) % self.requests.count;
            let sent_at = self.in_flight.pop_front();
            gauge.took(now - sent_at.ok_or_else(|| io::Error::other("an answer too many"))?);
            gauge.count(1, self.requests.batch_records as u64, self.requests.batch_bytes as u64);
        }
        self.inbox.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(true)
    }

    /// Sends what the window allows; false when that is nothing.
    fn send(&mut self, gauge: &mut Gauge) -> io::Result<bool> {
        // A request that is under way has its place in the window already.
        let begun = usize::from(self.sent > 0);
        let window = self.arguments.in_flight - self.in_flight.len();
        if window == 0 {
            return Ok(false);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let used = self.requests.slices(self.next, self.sent, window.max(begun), &mut slices);
        let now = Instant::now();
        let Some(mut count) = ready(self.stream.write_vectored(&slices[..used]))? else {
            return Ok(false);
        };
        if self.sent == 0 {
            self.since = now;
        }
        while count > 0 {
            let left = self.requests.frame_bytes(self.next) - self.sent;
            if count < left {
                self.sent += count;
                break;
            }
            count -= left;
            if self.arguments.acks == 0 {
                let batch_bytes = self.requests.batch_bytes as u64;
                gauge.count(1, self.requests.batch_records as u64, batch_bytes);
            } else {
                self.in_flight.push_back(self.since);
            }
            self.sent = 0;
            self.since = now;
            self.next = (self.next + 1) % self.requests.count;
        }
        Ok(true)
    }
}

/// An answer must belong to the oldest request and hold no error.
fn check(answer: &[u8], expected: i32, arguments: &Produce) -> io::Result<()> {
    let mut reader = Reader::new(answer);
    let correlation_id = if arguments.bare {
        reader.i32()
    } else {
        frame::read_response_header::<Api>(&mut reader, arguments.version)
    };
    if correlation_id.map_err(rpc::malformed)? != expected {
        return Err(io::Error::other("answers are out of order"));
    }
    if arguments.bare {
        return Ok(());
    }
    let response =
        ProduceResponse::decode(&mut reader, arguments.version).map_err(rpc::malformed)?;
    let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.try_for_each(|partition| rpc::check("Produce", partition.error_code))
}
