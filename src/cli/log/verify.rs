//! `ringmain log verify`.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::partitions::{keep_out, partitions, unreadable};
use crate::cli::failure::Failure;
use crate::cli::units;
use crate::log::{self, Fault};

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain log verify data                  every partition of a data directory
  ringmain log verify data/orders-0

Everything is checked: checksums, offsets, what the indexes point at, producers, leader epochs. Notes
tell what the broker puts in order by itself when it starts; damage makes the command fail.";

#[derive(Args)]
#[command(about = "Check a log's files against each other", after_help = EXAMPLES)]
pub struct Verify {
    /// A partition's directory, or a data directory, which no broker has open
    #[arg(required = true, value_name = "DIR")]
    dir: Vec<PathBuf>,
    /// Print one line of JSON a fault, and one at the end
    #[arg(long, short)]
    json: bool,
    /// Leave notes out
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line<'a> {
    Fault { file: &'a Path, position: u64, what: &'a str, is_damage: bool },
    Summary { partitions: usize, damage: usize, notes: usize },
}

pub fn run(args: &Verify) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let output = |error: io::Error| Failure::of_output(&error);
    let (mut checked, mut damage, mut notes) = (0, 0, 0);
    for dir in &args.dir {
        let _lock = keep_out(dir)?;
        for dir in partitions(dir)? {
            checked += 1;
            for fault in log::verify(&dir).map_err(|error| unreadable(&dir, &error))? {
                let Fault { file, position, what, is_damage } = &fault;
                *if *is_damage { &mut damage } else { &mut notes } += 1;
                if args.quiet && !is_damage {
                    continue;
                }
                if args.json {
                    let (position, is_damage) = (*position, *is_damage);
                    json(&mut out, &Line::Fault { file, position, what, is_damage })
                } else {
                    writeln!(out, "{fault}")
                }
                .map_err(output)?;
            }
        }
    }
    let partitions = units::counted(checked as u64, "partition");
    if args.json {
        json(&mut out, &Line::Summary { partitions: checked, damage, notes })
    } else if damage == 0 {
        let notes = units::counted(notes as u64, "note");
        writeln!(out, "{partitions} checked, {notes}, no damage")
    } else {
        Ok(())
    }
    .and_then(|()| out.flush())
    .map_err(output)?;
    if damage > 0 {
        let places = units::counted(damage as u64, "place");
        return Err(format!("damage in {places}, {partitions} checked").into());
    }
    Ok(())
}

fn json(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
