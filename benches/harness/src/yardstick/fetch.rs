//! The consuming side of the load: fetches one range of each partition over and over, looks at the
//! head of every answer and throws the records away as they come.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use ringmain::model::ErrorCode;
use ringmain::wire::batch::BatchHeader;
use ringmain::wire::messages::fetch::{
    Fetch as Api, FetchPartition, FetchRequest, FetchResponse, FetchTopic,
};
use ringmain::wire::value::Records;
use ringmain::wire::{Message, Reader, Writer, frame};
use rustix::fs::{Advice, fadvise};

use crate::lean::links::{Links, closed, ready};
use crate::lean::rpc;
use crate::yardstick::gauge::{Gauge, GaugeArguments};
use crate::yardstick::pin;

/// Topics by name, flexible.
pub const VERSION: i16 = 12;
/// Enough of an answer to know where its records begin.
const HEAD_BYTES: usize = 512;

#[derive(Args)]
pub struct Fetch {
    /// The broker
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    #[arg(long, default_value = "load")]
    topic: String,
    /// Connection c reads partition c modulo this
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Fetches in flight on each connection; stock clients have one
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// Most bytes of an answer
    #[arg(long, default_value = "1m", value_parser = crate::yardstick::bytes)]
    fetch_bytes: u64,
    /// Bytes of the range read; the whole partition by default
    #[arg(long, value_parser = crate::yardstick::bytes)]
    range: Option<u64>,
    /// The range lies at the end instead of at the beginning
    #[arg(long)]
    tail: bool,
    /// Stops at the end of the range instead of beginning again
    #[arg(long)]
    once: bool,
    /// A file or directory whose pages are dropped from the page cache before
    #[arg(long, value_name = "PATH")]
    evict: Vec<PathBuf>,
    /// Bytes of a receive
    #[arg(long, default_value = "256k", value_parser = crate::yardstick::bytes)]
    receive: u64,
    #[command(flatten)]
    gauge: GaugeArguments,
}

/// What is read: batches of one size from `first` up to `end`.
#[derive(Clone, Copy, Debug)]
struct Range {
    first: i64,
    end: i64,
    batch_bytes: u64,
    batch_records: i64,
}

struct Asked {
    at: Instant,
    offset: i64,
}

struct Link<'a> {
    stream: TcpStream,
    arguments: &'a Fetch,
    partition: i32,
    range: Range,
    next: i64,
    in_flight: VecDeque<Asked>,
    outbox: Vec<u8>,
    head: Vec<u8>,
    /// Bytes of the answer that are still to come and to be thrown away.
    body_left: usize,
    done: bool,
}

pub fn run(arguments: &Fetch) -> io::Result<()> {
    pin(arguments.gauge.cpu)?;
    arguments.evict.iter().try_for_each(|path| evict(path))?;
    let mut gauge = Gauge::new(&arguments.gauge);
    if arguments.once {
        gauge.skip_warm_up();
    }
    let mut links = Links::new()?;
    let mut buffer = vec![0; arguments.receive as usize];
    let mut open = Vec::new();
    for key in 0..arguments.connections {
        let partition = key as i32 % arguments.partitions;
        let range = find_range(arguments, partition)?;
        open.push(Link {
            stream: links.connect(&arguments.to, key)?,
            arguments,
            partition,
            range,
            next: range.first,
            in_flight: VecDeque::new(),
            outbox: Vec::new(),
            head: Vec::new(),
            body_left: 0,
            done: false,
        });
    }
    while !gauge.is_over(Instant::now())? && !open.iter().all(|link| link.done) {
        for key in links.wait()? {
            open[key].go_on(&mut buffer, &mut gauge)?;
        }
    }
    gauge.report("fetch")
}

/// Drops the clean pages of a file, or of the files in a directory.
pub fn evict(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return std::fs::read_dir(path)?.try_for_each(|entry| evict(&entry?.path()));
    }
    let file = File::open(path)?;
    fadvise(&file, 0, None, Advice::DontNeed)?;
    Ok(())
}

pub fn request(topic: &str, partition: i32, offset: i64, most: i32, wait_ms: i32) -> Vec<u8> {
    let partition = FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: most,
        ..FetchPartition::default()
    };
    let topic = FetchTopic { topic, partitions: vec![partition], ..FetchTopic::default() };
    let request = FetchRequest {
        replica_id: -1,
        max_wait_ms: wait_ms,
        min_bytes: 1,
        max_bytes: most,
        topics: vec![topic],
        ..FetchRequest::default()
    };
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    frame::write_request::<Api>(&mut writer, VERSION, 0, Some("measure"), &request);
    bytes
}

fn find_range(arguments: &Fetch, partition: i32) -> io::Result<Range> {
    let mut broker = rpc::Broker::connect(&arguments.to)?;
    let (first, end) = broker.offsets(&arguments.topic, partition)?;
    let wanted = FetchPartition {
        partition,
        fetch_offset: first,
        partition_max_bytes: 1,
        ..FetchPartition::default()
    };
    let topic =
        FetchTopic { topic: &arguments.topic, partitions: vec![wanted], ..Default::default() };
    let request = FetchRequest {
        replica_id: -1,
        min_bytes: 1,
        max_bytes: 1,
        topics: vec![topic],
        ..FetchRequest::default()
    };
    let nothing = || io::Error::other(format!("{}-{partition} is empty", arguments.topic));
    let (batch_bytes, batch_records) = broker.call::<Api, _>(VERSION, &request, |response| {
        let topic = response.responses.first();
        let answer = topic.and_then(|topic| topic.partitions.first()).ok_or_else(nothing)?;
        rpc::check("Fetch", answer.error_code)?;
        let Records::Bytes(records) = &answer.records else { return Err(nothing()) };
        let batch = BatchHeader::peek(records).map_err(io::Error::other)?;
        Ok((batch.size() as u64, batch.next_offset() - batch.base_offset()))
    })??;
    let batches = arguments.range.map_or(i64::MAX, |bytes| (bytes / batch_bytes).max(1) as i64);
    let records = batches.saturating_mul(batch_records).min(end - first);
    let (first, end) = if arguments.tail { (end - records, end) } else { (first, first + records) };
    Ok(Range { first, end, batch_bytes, batch_records })
}

impl Link<'_> {
    fn go_on(&mut self, buffer: &mut [u8], gauge: &mut Gauge) -> io::Result<()> {
        self.ask()?;
        while let Some(count) = ready(self.stream.read(buffer))? {
            if count == 0 {
                return Err(closed());
            }
            let mut rest = &buffer[..count];
            while !rest.is_empty() {
                rest = self.take(rest, gauge)?;
            }
            self.ask()?;
            // Edge-triggered: whatever is left must be read before waiting. A short read left none.
            if count < buffer.len() {
                break;
            }
        }
        Ok(())
    }

    /// Sends requests until enough are in flight.
    fn ask(&mut self) -> io::Result<()> {
        let arguments = self.arguments;
        let Range { first, end, batch_bytes, batch_records } = self.range;
        while self.in_flight.len() < arguments.in_flight && !self.done {
            if self.next >= end {
                if arguments.once {
                    self.done = self.in_flight.is_empty();
                    break;
                }
                self.next = first;
            }
            let left = ((end - self.next) / batch_records) as u64 * batch_bytes;
            let most = arguments.fetch_bytes.min(left.max(batch_bytes));
            self.in_flight.push_back(Asked { at: Instant::now(), offset: self.next });
            let bytes = request(&arguments.topic, self.partition, self.next, most as i32, 500);
            self.outbox.extend_from_slice(&bytes);
            // With several in flight the next one begins where this one should end.
            self.next += (most / batch_bytes).max(1) as i64 * batch_records;
        }
        if !self.outbox.is_empty()
            && let Some(count) = ready(self.stream.write(&self.outbox))?
        {
            self.outbox.drain(..count);
        }
        Ok(())
    }

    /// Takes some bytes of answers; yields the rest.
    fn take<'b>(&mut self, bytes: &'b [u8], gauge: &mut Gauge) -> io::Result<&'b [u8]> {
        if self.body_left > 0 {
            let taken = self.body_left.min(bytes.len());
            self.body_left -= taken;
            gauge.count(0, 0, taken as u64);
            if self.body_left == 0 {
                self.answered(gauge);
            }
            return Ok(&bytes[taken..]);
        }
        let before = self.head.len();
        let known = bytes.len().min(HEAD_BYTES - before);
        self.head.extend_from_slice(&bytes[..known]);
        let Some(prefix) = self.head.first_chunk() else { return Ok(&bytes[known..]) };
        let len = 4 + frame::length(*prefix, i32::MAX as usize).map_err(rpc::malformed)?;
        if self.head.len() < len.min(HEAD_BYTES) {
            return Ok(&bytes[known..]);
        }
        self.head.truncate(len);
        let used = self.head.len() - before;
        let records = records_of(&self.head[4..], len - 4)?;
        let asked = self.in_flight.front().ok_or_else(|| io::Error::other("an answer too many"))?;
        if records == 0 {
            return Err(io::Error::other(format!("nothing at offset {}", asked.offset)));
        }
        if self.arguments.in_flight == 1 {
            let batches = records as i64 / self.range.batch_bytes as i64;
            self.next = asked.offset + batches * self.range.batch_records;
        }
        self.body_left = len - self.head.len();
        gauge.count(0, 0, used.min(records) as u64);
        let batches = records as u64 / self.range.batch_bytes;
        gauge.count(1, batches * self.range.batch_records as u64, 0);
        self.head.clear();
        if self.body_left == 0 {
            self.answered(gauge);
        }
        Ok(&bytes[used..])
    }

    fn answered(&mut self, gauge: &mut Gauge) {
        if let Some(asked) = self.in_flight.pop_front() {
            gauge.took(asked.at.elapsed());
        }
    }
}

/// Bytes of records in an answer of which the beginning is there.
fn records_of(head: &[u8], len: usize) -> io::Result<usize> {
    let mut reader = Reader::new(head);
    frame::read_response_header::<Api>(&mut reader, VERSION).map_err(rpc::malformed)?;
    if len == head.len()
        && let Ok(response) = FetchResponse::decode(&mut reader.clone(), VERSION)
    {
        rpc::check("Fetch", response.error_code)?;
        let mut partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        partitions.try_for_each(|partition| rpc::check("Fetch", partition.error_code))?;
    }
    let read = |reader: &mut Reader<'_>| -> ringmain::wire::Result<(i16, usize)> {
        let _throttle_ms = reader.i32()?;
        let error = reader.i16()?;
        let _session = reader.i32()?;
        let _topics = reader.unsigned_varint()?;
        reader.string(true)?;
        let _partitions = reader.unsigned_varint()?;
        let _index = reader.i32()?;
        let partition_error = reader.i16()?;
        let (_high_watermark, _last_stable) = (reader.i64()?, reader.i64()?);
        let _log_start = reader.i64()?;
        let _no_aborted = reader.unsigned_varint()?;
        let _preferred_replica = reader.i32()?;
        let records = reader.bytes_len(true)?.unwrap_or(0);
        Ok((if error == 0 { partition_error } else { error }, records))
    };
    let (error, records) = read(&mut reader).map_err(rpc::malformed)?;
    rpc::check("Fetch", ErrorCode(error))?;
    Ok(records)
}
