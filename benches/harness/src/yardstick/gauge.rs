//! The measured stretch of time: what happened in it, what it cost, and the report of both.

use std::io;
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;

use crate::meter::usage::{self, Usage, Used};

#[derive(Args, Clone)]
pub struct GaugeArguments {
    /// Seconds measured
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before that
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// The CPU of this client
    #[arg(long, value_name = "CPU")]
    pub cpu: Option<usize>,
    /// The served process, to tell what it used
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Reports one line of JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Totals since some moment.
#[derive(Clone, Copy, Default)]
struct Totals {
    requests: u64,
    records: u64,
    bytes: u64,
}

struct Start {
    at: Instant,
    own: f64,
    server: Option<Usage>,
}

pub struct Gauge {
    arguments: GaugeArguments,
    began: Instant,
    start: Option<Start>,
    totals: Totals,
    latency: Histogram<u64>,
}

impl Gauge {
    pub fn new(arguments: &GaugeArguments) -> Gauge {
        Gauge {
            arguments: arguments.clone(),
            began: Instant::now(),
            start: None,
            totals: Totals::default(),
            latency: Histogram::new_with_bounds(1, 100_000_000, 3).expect("constant bounds"),
        }
    }

    /// Nothing came before: the first byte counts.
    pub fn skip_warm_up(&mut self) {
        self.arguments.warm_up = 0.0;
    }

    pub fn count(&mut self, requests: u64, records: u64, bytes: u64) {
        self.totals.requests += requests;
        self.totals.records += records;
        self.totals.bytes += bytes;
    }

    pub fn took(&mut self, latency: Duration) {
        self.latency.saturating_record(latency.as_nanos() as u64 / 1000);
    }

    /// To be asked every now and then: true when the time is over.
    pub fn is_over(&mut self, now: Instant) -> io::Result<bool> {
        match &self.start {
            Some(start) => Ok((now - start.at).as_secs_f64() >= self.arguments.seconds),
            None => {
                if (now - self.began).as_secs_f64() >= self.arguments.warm_up {
                    self.totals = Totals::default();
                    self.latency.reset();
                    let server = self.arguments.server_pid.map(Usage::of).transpose()?;
                    self.start = Some(Start { at: Instant::now(), own: usage::own(), server });
                }
                Ok(false)
            }
        }
    }

    /// Reports what was measured; for `what` see the callers.
    pub fn report(self, what: &str) -> io::Result<()> {
        let end = Instant::now();
        let own = usage::own();
        let server = self.arguments.server_pid.map(Usage::of).transpose()?;
        let start = self.start.ok_or_else(|| io::Error::other("it ended while warming up"))?;
        let used = match (server, start.server) {
            (Some(now), Some(then)) => Some(now.since(&then)),
            _ => None,
        };
        let report = Report {
            what,
            seconds: (end - start.at).as_secs_f64(),
            totals: self.totals,
            latency: self.latency,
            own: own - start.own,
            used,
        };
        println!("{}", if self.arguments.json { report.json() } else { report.text() });
        Ok(())
    }
}

struct Report<'a> {
    what: &'a str,
    seconds: f64,
    totals: Totals,
    latency: Histogram<u64>,
    own: f64,
    used: Option<Used>,
}

impl Report<'_> {
    fn per_second(&self, amount: u64) -> f64 {
        amount as f64 / self.seconds
    }

    fn per_gigabyte(&self, seconds: f64) -> f64 {
        seconds / (self.totals.bytes as f64 / 1e9)
    }

    /// The client had no CPU left while the server had.
    fn client_was_limit(&self) -> bool {
        let busy = |used: &Used| used.seconds / self.seconds > 0.95;
        self.own / self.seconds > 0.95 && !self.used.as_ref().is_some_and(busy)
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}: {:.1} MB/s, {:.0} requests/s, {:.0} records/s over {:.1} s",
            self.what,
            self.per_second(self.totals.bytes) / 1e6,
            self.per_second(self.totals.requests),
            self.per_second(self.totals.records),
            self.seconds,
        );
        if !self.latency.is_empty() {
            let at = |quantile| self.latency.value_at_quantile(quantile);
            text += &format!(
                "\n  latency in us: p50 {}, p99 {}, p99.9 {}, most {}",
                at(0.5),
                at(0.99),
                at(0.999),
                self.latency.max(),
            );
        }
        if let Some(used) = &self.used {
            text += &format!(
                "\n  server: {:.3} CPU s/GB, {:.2} us/request; {:.1} % of a CPU",
                self.per_gigabyte(used.seconds),
                used.seconds * 1e6 / self.totals.requests.max(1) as f64,
                100.0 * used.seconds / self.seconds,
            );
            for (name, seconds) in used.threads.iter().filter(|(_, seconds)| *seconds > 0.001) {
                text += &format!(", {name} {:.1} %", 100.0 * seconds / self.seconds);
            }
            text += &format!("; waited {:.1} % for one", 100.0 * used.waited / self.seconds);
        }
        text += &format!("\n  client: {:.1} % of a CPU", 100.0 * self.own / self.seconds);
        if self.client_was_limit() {
            text += "\n  WARNING: the client was the limit, not the server";
        }
        text
    }

    fn json(&self) -> String {
        let used = self.used.clone().unwrap_or_default();
        let threads: Vec<_> = used
            .threads
            .iter()
            .map(|(name, seconds)| format!("\"{name}\":{:.4}", seconds / self.seconds))
            .collect();
        format!(
            "{{\"what\":\"{}\",\"seconds\":{:.3},\"bytes\":{},\"requests\":{},\"records\":{},\
             \"mb_per_s\":{:.2},\"requests_per_s\":{:.1},\"records_per_s\":{:.1},\
             \"p50_us\":{},\"p99_us\":{},\"p999_us\":{},\"max_us\":{},\
             \"server_cpu\":{:.4},\"server_s_per_gb\":{:.5},\"server_waited\":{:.4},\
             \"server_threads\":{{{}}},\"client_cpu\":{:.4},\"client_was_limit\":{}}}",
            self.what,
            self.seconds,
            self.totals.bytes,
            self.totals.requests,
            self.totals.records,
            self.per_second(self.totals.bytes) / 1e6,
            self.per_second(self.totals.requests),
            self.per_second(self.totals.records),
            self.latency.value_at_quantile(0.5),
            self.latency.value_at_quantile(0.99),
            self.latency.value_at_quantile(0.999),
            self.latency.max(),
            used.seconds / self.seconds,
            if self.totals.bytes == 0 { 0.0 } else { self.per_gigabyte(used.seconds) },
            used.waited / self.seconds,
            threads.join(","),
            self.own / self.seconds,
            self.client_was_limit(),
        )
    }
}
