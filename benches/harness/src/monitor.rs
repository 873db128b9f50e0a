//! Watches the broker, the client and the host while a round runs: once for each slot of the measured
//! time, and at its ends.

use crate::broker::Broker;
use crate::clock;
use crate::driver::Nanos;
use crate::meter::host::Cores;
use crate::meter::process::{self, Io};
use crate::meter::usage::{Usage, Used};
use crate::result::{ClientUse, Cost, Points};
use crate::tally::{Tally, Way};
use crate::times;

/// Whose processes are metered.
pub enum Metered<'a> {
    Launched(&'a Broker),
    Pid(u32),
    Unknown,
}

impl Metered<'_> {
    fn pids(&self) -> Vec<u32> {
        match self {
            Metered::Launched(broker) => broker.pids(),
            Metered::Pid(pid) => process::tree(*pid),
            Metered::Unknown => Vec::new(),
        }
    }
}

struct Look {
    at: Nanos,
    broker: Usage,
    client: Usage,
    cores: Cores,
    io: Io,
}

/// One interval.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    pub at_seconds: f64,
    pub broker_cpus: Option<f64>,
    pub client_cpus: f64,
    pub cores: Vec<f64>,
    pub resident_bytes: Option<u64>,
}

pub struct Monitor<'a> {
    metered: Metered<'a>,
    first: Look,
    last: Look,
    resident_bytes: u64,
    pub intervals: Vec<Interval>,
}

impl<'a> Monitor<'a> {
    /// The measured time begins.
    pub fn new(metered: Metered<'a>) -> Monitor<'a> {
        let (first, _) = look(&metered);
        let (last, resident_bytes) = look(&metered);
        Monitor { metered, first, last, resident_bytes, intervals: Vec::new() }
    }

    /// The end of an interval.
    pub fn look(&mut self) {
        let (now, resident) = look(&self.metered);
        let seconds = clock::seconds(self.last.at, now.at).max(1e-3);
        let known = !matches!(self.metered, Metered::Unknown);
        let broker = now.broker.since(&self.last.broker).seconds / seconds;
        self.resident_bytes = self.resident_bytes.max(resident);
        self.intervals.push(Interval {
            at_seconds: clock::seconds(self.first.at, now.at),
            broker_cpus: known.then_some(broker),
            client_cpus: now.client.since(&self.last.client).seconds / seconds,
            cores: now.cores.since(&self.last.cores, seconds),
            resident_bytes: known.then_some(resident),
        });
        self.last = now;
    }

    /// The measured time is over; `look` was called at its end.
    pub fn end(self, tally: &Tally) -> Seen {
        let seconds = clock::seconds(self.first.at, self.last.at).max(1e-3);
        let broker = self.last.broker.since(&self.first.broker);
        let client = self.last.client.since(&self.first.client);
        let busy: f64 = self.last.cores.since(&self.first.cores, seconds).iter().sum();
        let known = !matches!(self.metered, Metered::Unknown);
        let others = busy - (broker.seconds + client.seconds) / seconds;
        let written = self.last.io.written.saturating_sub(self.first.io.written);
        let read = self.last.io.read.saturating_sub(self.first.io.read);
        let cost = known.then(|| cost(broker, self.resident_bytes, written, read, tally));
        let threads = client.threads.iter().filter(|(name, _)| name.starts_with("client-"));
        let threads: Vec<f64> = threads.map(|(_, used)| used / seconds).collect();
        let client = ClientUse { cpu_seconds: client.seconds, threads, late: late(tally) };
        Seen { seconds, cost, client, others_cpus: others.max(0.0), intervals: self.intervals }
    }
}

/// What the monitor saw in all.
pub struct Seen {
    pub seconds: f64,
    pub cost: Option<Cost>,
    pub client: ClientUse,
    /// CPUs that others than broker and client used.
    pub others_cpus: f64,
    pub intervals: Vec<Interval>,
}

fn look(metered: &Metered<'_>) -> (Look, u64) {
    let pids = metered.pids();
    let look = Look {
        at: clock::now(),
        broker: Usage::of_all(&pids),
        client: Usage::of_all(&[std::process::id()]),
        cores: Cores::now(),
        io: process::io(&pids),
    };
    (look, process::resident_bytes(&pids))
}

fn late(tally: &Tally) -> Option<Points> {
    times::points(&tally.late)
}

fn cost(used: Used, resident_bytes: u64, written: u64, read: u64, tally: &Tally) -> Cost {
    let ways = [Way::Produced, Way::Consumed, Way::CaughtUp].map(|way| tally.total(way));
    let bytes: u64 = ways.iter().map(|count| count.bytes).sum();
    let records: u64 = ways.iter().map(|count| count.records).sum();
    let accepted = ways[0].wire_bytes.max(ways[0].bytes);
    let per = |amount: f64| if amount > 0.0 { used.seconds / amount } else { 0.0 };
    Cost {
        cpu_seconds: used.seconds,
        cpu_seconds_per_gb: per(bytes as f64 / 1e9),
        cpu_seconds_per_million_records: per(records as f64 / 1e6),
        waited_seconds: used.waited,
        threads: used.threads,
        resident_bytes,
        written_bytes: written,
        written_per_accepted: if accepted > 0 { written as f64 / accepted as f64 } else { 0.0 },
        read_bytes: read,
    }
}
