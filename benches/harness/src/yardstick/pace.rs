//! A steady producer and a consumer at the end of the same partition: how long an acknowledgement
//! takes, and how long a record takes from the one to the other. The producer keeps to a schedule
//! whatever the broker does, and times count from when a request was due, not from when it could be
//! sent: a broker that stalls is charged for all that it held up.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use ringmain::wire::batch::Batches;
use ringmain::wire::messages::fetch::{Fetch, FetchResponse};
use ringmain::wire::messages::produce::{Produce, ProduceResponse};
use ringmain::wire::value::Records;
use ringmain::wire::{Message, Reader, frame};

use crate::lean::rpc;
use crate::yardstick::requests::{Requests, SLICES_MAX};
use crate::yardstick::{fetch, pin};

/// Of produce requests: topics by name, not flexible beyond what every broker speaks.
const VERSION: i16 = 9;
const FRAME_MAX: usize = 64 << 20;
const FETCH_BYTES: i32 = 1 << 20;
const FETCH_WAIT_MS: i32 = 500;

#[derive(Args)]
pub struct Pace {
    /// The broker
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    #[arg(long, default_value = "load")]
    topic: String,
    /// Requests a second, each with one batch
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    #[arg(long, default_value = "16k", value_parser = crate::yardstick::bytes)]
    batch_bytes: u64,
    /// 0, 1 or -1 (all)
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    acks: i16,
    /// Seconds measured
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before that
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// The CPU of this client
    #[arg(long, value_name = "CPU")]
    cpu: Option<usize>,
    /// Reports one line of JSON instead of text
    #[arg(long)]
    json: bool,
}

/// When each request is due.
#[derive(Clone, Copy)]
struct Schedule {
    start: Instant,
    interval: Duration,
    first_measured: u64,
    requests: u64,
}

impl Schedule {
    fn due(&self, request: u64) -> Instant {
        self.start + self.interval.mul_f64(request as f64)
    }

    fn note(&self, request: u64, times: &mut Histogram<u64>) {
        if request >= self.first_measured && request < self.requests {
            let late = Instant::now().saturating_duration_since(self.due(request));
            times.saturating_record(late.as_micros() as u64);
        }
    }
}

fn times() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 100_000_000, 3).expect("constant bounds")
}

pub fn run(arguments: &Pace) -> io::Result<()> {
    pin(arguments.cpu)?;
    let (topic, acks) = (&arguments.topic, arguments.acks);
    let requests = Requests::new(
        topic,
        1,
        acks,
        VERSION,
        arguments.record_bytes,
        arguments.batch_bytes as usize,
    );
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let used = requests.slices(0, 0, 1, &mut slices);
    let bytes: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.iter().copied()).collect();
    let (_, first_offset) = rpc::Broker::connect(&arguments.to)?.offsets(topic, 0)?;
    let producer = connect(&arguments.to)?;
    let consumer = connect(&arguments.to)?;
    let schedule = Schedule {
        start: Instant::now() + Duration::from_millis(50),
        interval: Duration::from_secs_f64(1.0 / arguments.rate),
        first_measured: (arguments.warm_up * arguments.rate) as u64,
        requests: ((arguments.warm_up + arguments.seconds) * arguments.rate) as u64,
    };
    let batch_records = requests.batch_records as i64;
    let (acknowledged, arrived) = thread::scope(|scope| {
        let answers = scope.spawn(|| acknowledge(&producer, schedule));
        let records =
            scope.spawn(|| follow(&consumer, topic, first_offset, batch_records, schedule));
        send(&producer, &bytes, schedule)?;
        let joined = "a thread of the client panicked";
        io::Result::Ok((answers.join().expect(joined)?, records.join().expect(joined)?))
    })?;
    report(arguments, requests.batch_bytes, &acknowledged, &arrived);
    Ok(())
}

fn connect(to: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(rpc::resolve(to)?)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

fn send(mut stream: &TcpStream, request: &[u8], schedule: Schedule) -> io::Result<()> {
    for number in 0..schedule.requests {
        thread::sleep(schedule.due(number).saturating_duration_since(Instant::now()));
        stream.write_all(request)?;
    }
    Ok(())
}

fn receive(mut stream: &TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    let mut prefix = [0; frame::LENGTH_SIZE];
    stream.read_exact(&mut prefix)?;
    into.resize(frame::length(prefix, FRAME_MAX).map_err(rpc::malformed)?, 0);
    stream.read_exact(into)
}

fn acknowledge(stream: &TcpStream, schedule: Schedule) -> io::Result<Histogram<u64>> {
    let (mut times, mut bytes) = (times(), Vec::new());
    for number in 0..schedule.requests {
        receive(stream, &mut bytes)?;
        schedule.note(number, &mut times);
        let mut reader = Reader::new(&bytes);
        frame::read_response_header::<Produce>(&mut reader, VERSION).map_err(rpc::malformed)?;
        let response = ProduceResponse::decode(&mut reader, VERSION).map_err(rpc::malformed)?;
        let mut parts = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        parts.try_for_each(|part| rpc::check("Produce", part.error_code))?;
    }
    Ok(times)
}

/// Reads from the end on until the last batch has come.
fn follow(
    mut stream: &TcpStream,
    topic: &str,
    first_offset: i64,
    batch_records: i64,
    schedule: Schedule,
) -> io::Result<Histogram<u64>> {
    let (mut times, mut bytes) = (times(), Vec::new());
    let mut next = first_offset;
    let end = first_offset + batch_records * schedule.requests as i64;
    while next < end {
        stream.write_all(&fetch::request(topic, 0, next, FETCH_BYTES, FETCH_WAIT_MS))?;
        receive(stream, &mut bytes)?;
        let mut reader = Reader::new(&bytes);
        let version = fetch::VERSION;
        frame::read_response_header::<Fetch>(&mut reader, version).map_err(rpc::malformed)?;
        let response = FetchResponse::decode(&mut reader, version).map_err(rpc::malformed)?;
        rpc::check("Fetch", response.error_code)?;
        for part in response.responses.iter().flat_map(|topic| &topic.partitions) {
            rpc::check("Fetch", part.error_code)?;
            let Records::Bytes(records) = &part.records else { continue };
            for batch in Batches::new(records) {
                let header = batch.map_err(io::Error::other)?.header;
                if header.base_offset() >= next {
                    schedule.note(
                        ((header.base_offset() - first_offset) / batch_records) as u64,
                        &mut times,
                    );
                    next = header.next_offset();
                }
            }
        }
    }
    Ok(times)
}

fn report(
    arguments: &Pace,
    batch_bytes: usize,
    acknowledged: &Histogram<u64>,
    arrived: &Histogram<u64>,
) {
    let mb_per_s = arguments.rate * batch_bytes as f64 / 1e6;
    let text = |name: &str, times: &Histogram<u64>| {
        let at = |quantile| times.value_at_quantile(quantile);
        let (p50, p99, p999, most) = (at(0.5), at(0.99), at(0.999), times.max());
        match arguments.json {
            true => format!(
                "\"{name}\":{{\"p50_us\":{p50},\"p99_us\":{p99},\"p999_us\":{p999},\"max_us\":{most}}}"
            ),
            false => format!("  {name} in us: p50 {p50}, p99 {p99}, p99.9 {p999}, most {most}"),
        }
    };
    let (first, second) = (text("acknowledged", acknowledged), text("arrived", arrived));
    match arguments.json {
        true => println!("{{\"what\":\"pace\",\"mb_per_s\":{mb_per_s:.2},{first},{second}}}"),
        false => {
            println!("pace: {} requests/s, {mb_per_s:.1} MB/s\n{first}\n{second}", arguments.rate)
        }
    }
}
