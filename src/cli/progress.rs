//! How far a transfer is: a line on the terminal while it runs, one line of figures at its end.

use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::units;

/// Pictures a second.
const HERTZ: u8 = 10;
/// Records from which a rate means something.
const RATED_RECORDS: u64 = 100;

pub struct Progress {
    bar: ProgressBar,
    verb: &'static str,
    started: Instant,
    records: u64,
    bytes: u64,
}

impl Progress {
    /// `total` is what `done` counts towards, if it is known. Nothing is drawn unless `visible` and
    /// standard error is a terminal.
    pub fn new(verb: &'static str, total: Option<u64>, visible: bool) -> Progress {
        let visible = visible && io::stderr().is_terminal();
        let target = match visible {
            true => ProgressDrawTarget::stderr_with_hz(HERTZ),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => "{wide_bar:.cyan/black.bright} {percent:>3}%  {msg}  {eta} left",
            None => "{spinner:.cyan} {msg}",
        };
        let style = ProgressStyle::with_template(template).expect("a sound template");
        bar.set_style(style.progress_chars("━━─"));
        Progress { bar, verb, started: Instant::now(), records: 0, bytes: 0 }
    }

    pub fn count(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bytes += bytes;
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    /// Draws, at most ten times a second.
    pub fn show(&self, done: u64) {
        if self.bar.is_hidden() {
            return;
        }
        let rate = self.per_second(self.bytes);
        self.bar.set_message(format!(
            "{}, {} ({}/s)",
            units::counted(self.records, "record"),
            units::bytes(self.bytes),
            units::bytes(rate),
        ));
        self.bar.set_position(done);
        self.bar.tick();
    }

    /// Takes the line off the terminal.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Says something above the line.
    pub fn note(&self, text: &str) {
        self.bar.suspend(|| eprintln!("ringmain: {text}"));
    }

    /// A line of news above it.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Such as `wrote 1,000 records, 1.5 MiB in 0.3 s (3,333 records/s, 5.0 MiB/s)`. Of a few
    /// records nobody wants to know the rate.
    pub fn summary(&self) -> String {
        let records = units::counted(self.records, "record");
        let mut text = format!("{} {records}, {}", self.verb, units::bytes(self.bytes));
        if self.records >= RATED_RECORDS {
            text.push_str(&format!(
                " in {:.1} s ({} records/s, {}/s)",
                self.started.elapsed().as_secs_f64(),
                units::thousands(self.per_second(self.records)),
                units::bytes(self.per_second(self.bytes)),
            ));
        }
        text
    }

    fn per_second(&self, count: u64) -> u64 {
        (count as f64 / self.started.elapsed().as_secs_f64().max(0.001)) as u64
    }
}
