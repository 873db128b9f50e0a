//! What people see of a fan-out while it runs: a line on the terminal that moves, or a line every few
//! seconds where nobody looks.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use crate::cli::group::ago;
use crate::cli::progress::Progress;
use crate::cli::units;
use crate::model::Offset;

const LINE_EVERY: Duration = Duration::from_secs(5);

pub struct Report {
    progress: Progress,
    plain: bool,
    started: Instant,
    told: Instant,
    /// Offsets behind us since the start, and those ahead.
    done: u64,
    behind: u64,
    bytes: u64,
}

impl Report {
    /// `total`: offsets to go at the start, unless it never ends.
    pub fn new(total: Option<u64>, quiet: bool) -> Report {
        let now = Instant::now();
        Report {
            progress: Progress::new("drained", total, !quiet),
            plain: !quiet && !io::stderr().is_terminal(),
            started: now,
            told: now,
            done: 0,
            behind: total.unwrap_or(0),
            bytes: 0,
        }
    }

    /// A transaction was committed that took the source so many offsets further.
    pub fn shipped(&mut self, records: u64, bytes: u64, offsets: u64) {
        self.progress.count(records, bytes);
        self.bytes += bytes;
        self.done += offsets;
    }

    pub fn show(&mut self, places: &BTreeMap<i32, Offset>, ends: &BTreeMap<i32, Offset>) {
        self.behind = behind(places, ends);
        self.progress.show(self.done);
        if self.plain && self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            eprintln!("{}", self.line());
        }
    }

    fn line(&self) -> String {
        let rate = self.done as f64 / self.started.elapsed().as_secs_f64();
        let left = match self.behind {
            0 => String::new(),
            _ if rate < 0.001 => String::new(),
            behind => format!(", {} left", ago((behind as f64 / rate * 1000.0) as i64)),
        };
        format!(
            "drained {}, {}; {} behind{left}",
            units::counted(self.progress.records(), "record"),
            units::bytes(self.bytes),
            units::thousands(self.behind),
        )
    }

    pub fn note(&self, text: &str) {
        self.progress.note(text);
    }

    pub fn records(&self) -> u64 {
        self.progress.records()
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn behind(&self) -> u64 {
        self.behind
    }

    /// Takes the line off the terminal and yields the figures.
    pub fn end(&self) -> String {
        self.progress.clear();
        self.progress.summary()
    }
}

fn behind(places: &BTreeMap<i32, Offset>, ends: &BTreeMap<i32, Offset>) -> u64 {
    let of = |(partition, end): (&i32, &Offset)| {
        let place = places.get(partition).copied().unwrap_or(*end);
        u64::try_from(end - place).unwrap_or(0)
    };
    ends.iter().map(of).sum()
}
