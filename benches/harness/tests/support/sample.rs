//! A result as the harness writes it, of brokers that do not exist: made once, kept as
//! tests/sample.json, and what the tests of the report read.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use ringmain::base::prng::Prng;
use ringmain_bench::result::{
    Broker, Ceiling, Cell, ClientUse, Cost, FORMAT, Flow, Host, Latencies, Latency, Points, Round,
    Run, Sample, WorkloadResult,
};
use ringmain_bench::workload::Workload;

const ROUNDS: u32 = 3;
const SECONDS: usize = 12;

pub fn run() -> Run {
    let names = ["Ringmain", "Apache Kafka", "A <b>peer</b> & sons"];
    let broker = |name: &str| Broker {
        name: name.into(),
        version: "1.2.3".into(),
        driver: "kafka".into(),
        client: "lean".into(),
        command: vec!["broker".into(), "--data".into(), "/data".into()],
        about: "As it \"comes\", with a bar | and a tag <i>.".into(),
    };
    Run {
        format: FORMAT,
        date: "2026-11-30T21:00:00Z".into(),
        command: vec!["ringmain-bench".into(), "run".into()],
        version: "0.1.0".into(),
        host: Host {
            cpu: "A processor".into(),
            cpus: 2,
            memory_bytes: 24_000_000_000,
            kernel: "6.18".into(),
            system: "Debian 12".into(),
            disk: "ext4 on /dev/vda".into(),
            broker_cpus: vec![0],
            client_cpus: vec![1],
            others_cpus: 0.02,
        },
        brokers: names.iter().map(|name| broker(name)).collect(),
        workloads: vec![
            workload(PACED, &names, &[400.0, 2_600.0, 9_000.0], None),
            workload(FREE, &names, &[3_000.0, 8_000.0, 0.0], Some(2)),
        ],
        ceilings: vec![Ceiling {
            what: "device write, 1 MiB".into(),
            value: 1_234.5,
            unit: "MB/s".into(),
            cpu_seconds_per_gb: Some(0.21),
            detail: "depth 8, O_DIRECT".into(),
        }],
    }
}

const PACED: &str = "
name: latency at 20,000/s
topics: 1
partitionsPerTopic: 16
messageSize: 1024
subscriptionsPerTopic: 1
consumerPerSubscription: 1
producersPerTopic: 2
producerRate: 20000
testDurationSeconds: 12
warmupDurationSeconds: 3
durability: written
about: What most people ask first.
";

const FREE: &str = "
name: throughput
topics: 1
partitionsPerTopic: 16
messageSize: 1024
subscriptionsPerTopic: 0
consumerPerSubscription: 0
producersPerTopic: 2
producerRate: 0
testDurationSeconds: 12
warmupDurationSeconds: 3
";

fn workload(yaml: &str, names: &[&str], p50: &[f64], absent: Option<usize>) -> WorkloadResult {
    let workload = Workload::parse(yaml).expect("a workload");
    let cell = |(at, name): (usize, &&str)| {
        let broker = (*name).to_owned();
        if absent == Some(at) {
            let why = "it syncs by the clock, whatever it has acknowledged <whenever>";
            return Cell { broker, absent: Some(why.into()), ..Cell::default() };
        }
        let mut all = Histogram::new(3).expect("three digits");
        let rounds =
            (0..ROUNDS).map(|number| round(&workload, p50[at], number, &mut all)).collect();
        let produce = Some(latency(&all));
        let latency = Latencies { produce: produce.clone(), end_to_end: None, fetch: None };
        let mut cell = Cell { broker, rounds, latency, ..Cell::default() };
        if workload.producer_rate > 0.0 {
            cell.latency.end_to_end = produce;
        }
        cell.summarise();
        cell
    };
    let cells = names.iter().enumerate().map(cell).collect();
    WorkloadResult { name: workload.name.clone(), workload, cells }
}

fn round(workload: &Workload, p50: f64, number: u32, all: &mut Histogram<u64>) -> Round {
    let mut random = Prng::new(u64::from(number) * 1_000 + p50 as u64);
    let mut whole = Histogram::new(3).expect("three digits");
    let rate = if workload.producer_rate > 0.0 { workload.producer_rate } else { 2e8 / p50 };
    let mut series = Vec::new();
    for second in 0..SECONDS {
        let mut part: Histogram<u64> = Histogram::new(3).expect("three digits");
        for _ in 0..400 {
            let part_of_million = random.below(1_000_000) as f64 / 1e6;
            // The tail is long: a value for each quantile, at times a stall.
            let stall = if second == 7 && random.below(20) == 0 { 30.0 } else { 1.0 };
            let micros = p50 * 0.6 / (1.0001 - part_of_million).powf(0.45) * stall;
            part.record((micros * 1e3) as u64).expect("within an hour");
        }
        series.push(sample(second, rate, &part, &mut random));
        whole.add(&part).expect("the same bounds");
    }
    all.add(&whole).expect("the same bounds");
    let mut produced = flow(rate, workload.message_size);
    produced.wire_bytes = produced.bytes + produced.records * 9;
    let paced = workload.producer_rate > 0.0;
    let seconds = SECONDS as f64;
    let cpus = 0.1 + p50 / 12_000.0;
    let cost = Cost {
        cpu_seconds: cpus * seconds,
        threads: vec![("data 0".into(), cpus * seconds)],
        waited_seconds: 0.1,
        cpu_seconds_per_gb: cpus * seconds / (produced.bytes as f64 / 1e9),
        cpu_seconds_per_million_records: cpus * seconds / (produced.records as f64 / 1e6),
        resident_bytes: 90_000_000 + (p50 * 1e5) as u64,
        written_bytes: produced.wire_bytes + 4_096,
        written_per_accepted: 1.01,
        read_bytes: 0,
    };
    let produce = Some(latency(&whole));
    Round {
        number,
        date: "2026-11-30T21:00:00Z".into(),
        seconds,
        open_loop: paced,
        target_rate: workload.producer_rate,
        produced,
        consumed: if paced { produced } else { Flow::default() },
        latency: Latencies { end_to_end: produce.clone().filter(|_| paced), produce, fetch: None },
        series,
        cost: Some(cost),
        client: ClientUse { cpu_seconds: 4.0, threads: vec![0.31, 0.27], late: None },
        start_up_seconds: Some(0.05 + p50 / 4_000.0),
        ready_after_kill_seconds: Some(0.1 + p50 / 4_000.0),
        warnings: match number {
            1 => vec!["the client's thread 0 used 61 % of its CPU & more".into()],
            _ => Vec::new(),
        },
        ..Round::default()
    }
}

fn flow(rate: f64, size: usize) -> Flow {
    let records = (rate * SECONDS as f64) as u64;
    Flow {
        records,
        bytes: records * size as u64,
        requests: records / 16,
        records_per_second: rate,
        mb_per_second: rate * size as f64 / 1e6,
        ..Flow::default()
    }
}

fn sample(second: usize, rate: f64, part: &Histogram<u64>, random: &mut Prng) -> Sample {
    let micros = |quantile| part.value_at_quantile(quantile) as f64 / 1e3;
    let points = Points {
        p50_us: micros(0.5),
        p99_us: micros(0.99),
        p999_us: micros(0.999),
        max_us: part.max() as f64 / 1e3,
    };
    let wobble = 0.9 + random.below(200) as f64 / 1e3;
    Sample {
        at_seconds: (second + 1) as f64,
        produced_records_per_second: rate * wobble,
        produced_mb_per_second: rate * wobble * 1_024.0 / 1e6,
        produce: Some(points),
        end_to_end: Some(points),
        broker_cpus: Some(0.4 * wobble),
        cores: vec![0.45 * wobble, 0.3 * wobble],
        client_cpus: 0.3,
        resident_bytes: Some(90_000_000),
        ..Sample::default()
    }
}

fn latency(histogram: &Histogram<u64>) -> Latency {
    let micros = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).expect("into memory");
    Latency {
        count: histogram.len(),
        min_us: histogram.min() as f64 / 1e3,
        mean_us: histogram.mean() / 1e3,
        p50_us: micros(0.5),
        p75_us: micros(0.75),
        p90_us: micros(0.9),
        p95_us: micros(0.95),
        p99_us: micros(0.99),
        p999_us: micros(0.999),
        p9999_us: micros(0.9999),
        max_us: histogram.max() as f64 / 1e3,
        histogram: BASE64_STANDARD.encode(bytes),
    }
}
