//! Reads what a yardstick sends and throws it away, with the same loop that fetch reads with.

use std::io::{self, Read};
use std::time::Instant;

use clap::Args;

use crate::lean::links::{Links, ready};
use crate::yardstick::gauge::{Gauge, GaugeArguments};
use crate::yardstick::pin;

#[derive(Args)]
pub struct Drain {
    /// The yardstick
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// The stream ends by itself: measure it from its beginning
    #[arg(long)]
    once: bool,
    /// Bytes of a receive
    #[arg(long, default_value = "256k", value_parser = crate::yardstick::bytes)]
    receive: u64,
    #[command(flatten)]
    gauge: GaugeArguments,
}

pub fn run(arguments: &Drain) -> io::Result<()> {
    pin(arguments.gauge.cpu)?;
    let mut gauge = Gauge::new(&arguments.gauge);
    if arguments.once {
        gauge.skip_warm_up();
    }
    let mut links = Links::new()?;
    let mut buffer = vec![0; arguments.receive as usize];
    let mut stream = links.connect(&arguments.to, 0)?;
    let mut open = true;
    while open && !gauge.is_over(Instant::now())? {
        for _ in links.wait()? {
            while let Some(count) = ready(stream.read(&mut buffer))? {
                gauge.count(0, 0, count as u64);
                open = count > 0;
                if count < buffer.len() {
                    break;
                }
            }
        }
    }
    gauge.report("drain")
}
