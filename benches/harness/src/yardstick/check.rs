//! What it costs a core to look at a produced batch: the checksum, and the walk over its records
//! that consumers are spared surprises by. No broker, no I/O.

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use clap::Args;
use ringmain::wire::batch::Batch;
use ringmain::wire::record;

use crate::yardstick::{pin, requests};

#[derive(Args)]
pub struct Check {
    /// Bytes of a record's value; several may be given
    #[arg(long, value_name = "BYTES", default_values = ["10", "100", "1k", "10k"],
          value_parser = crate::yardstick::bytes)]
    record: Vec<u64>,
    /// Bytes of a batch
    #[arg(long, default_value = "1m", value_parser = crate::yardstick::bytes)]
    batch: u64,
    /// Milliseconds that each figure is measured, as the best of ten
    #[arg(long, default_value_t = 500)]
    time: u64,
    #[arg(long, default_value_t = 0)]
    cpu: usize,
}

pub fn run(arguments: &Check) -> io::Result<()> {
    pin(Some(arguments.cpu))?;
    let slice = Duration::from_millis(arguments.time) / 10;
    for &size in &arguments.record {
        let (bytes, records) = requests::batch(size as usize, arguments.batch as usize);
        let fault = |error| io::Error::other(format!("a batch of our own: {error}"));
        let view = Batch::first(&bytes).map_err(fault)?;
        record::walk(view.header, view.payload()).map_err(fault)?;
        let checksum = best(slice, || {
            let _ = black_box(black_box(view).check_crc());
        });
        let walk = best(slice, || {
            let view = black_box(view);
            let _ = black_box(record::walk(view.header, view.payload()));
        });
        let rate = |seconds: f64| bytes.len() as f64 / seconds / 1e9;
        println!(
            "{records:7} records of {size:6} bytes: checksum {:6.1} GB/s, walk {:6.1} GB/s, {:.1} ns a \
             record",
            rate(checksum),
            rate(walk),
            walk * 1e9 / records as f64,
        );
    }
    Ok(())
}

/// Seconds that `work` takes at best.
fn best(slice: Duration, mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..10 {
        let began = Instant::now();
        let mut rounds = 0;
        while began.elapsed() < slice {
            (0..16).for_each(|_| work());
            rounds += 16;
        }
        best = best.min(began.elapsed().as_secs_f64() / f64::from(rounds));
    }
    best
}
