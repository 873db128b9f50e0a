//! `ringmain log repair`.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::partitions::{keep_all_out, partitions, unreadable};
use crate::cli::failure::Failure;
use crate::cli::units;
use crate::log::{self, Change, Fault, Remedy};

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain log repair data --dry-run        what would be done in a data directory
  ringmain log repair data/orders-0
  ringmain log repair data/orders-0 --cut   give up what lies behind the first damage

Indexes, producer snapshots and tables of leader epochs that are missing or damaged are made again from
the log. Records are given up with --cut only; what is cut off stays beside the log as .cut. Fails when
damage is left.";

#[derive(Args)]
#[command(about = "Make again what can be made from a log", after_help = EXAMPLES)]
pub struct Repair {
    /// A partition's directory, or a data directory, which no broker has open
    #[arg(required = true, value_name = "DIR")]
    dir: Vec<PathBuf>,
    /// End a damaged log before its first damage
    #[arg(long)]
    cut: bool,
    /// Only say what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Print one line of JSON a change or fault, and one at the end
    #[arg(long, short)]
    json: bool,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line<'a> {
    Repair { file: &'a Path, what: &'a str, dry_run: bool },
    Fault { file: &'a Path, position: u64, what: &'a str, is_damage: bool },
    Summary { partitions: usize, changes: usize, damage: usize },
}

pub fn run(args: &Repair) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let output = |error: io::Error| Failure::of_output(&error);
    let remedy = Remedy { cut: args.cut, dry_run: args.dry_run };
    let (mut checked, mut changes, mut damage) = (0, 0, 0);
    for dir in &args.dir {
        let _lock = keep_all_out(dir)?;
        for dir in partitions(dir)? {
            checked += 1;
            let done = log::repair(&dir, remedy).map_err(|error| unreadable(&dir, &error))?;
            changes += done.changes.len();
            damage += done.damage.len();
            for change in &done.changes {
                let Change { file, what } = change;
                if args.json {
                    json(&mut out, &Line::Repair { file, what, dry_run: args.dry_run })
                } else {
                    writeln!(out, "{change}")
                }
                .map_err(output)?;
            }
            for fault in &done.damage {
                let Fault { file, position, what, is_damage } = fault;
                let (position, is_damage) = (*position, *is_damage);
                if args.json {
                    json(&mut out, &Line::Fault { file, position, what, is_damage })
                } else {
                    writeln!(out, "{fault}")
                }
                .map_err(output)?;
            }
        }
    }
    let partitions = units::counted(checked as u64, "partition");
    let counted = units::counted(changes as u64, "change");
    let would = if args.dry_run { " would be made" } else { "" };
    if args.json {
        json(&mut out, &Line::Summary { partitions: checked, changes, damage })
    } else if damage == 0 {
        writeln!(out, "{partitions} checked, {counted}{would}, no damage left")
    } else {
        Ok(())
    }
    .and_then(|()| out.flush())
    .map_err(output)?;
    if damage > 0 {
        let places = units::counted(damage as u64, "place");
        let advice =
            if args.cut { "" } else { " (--cut gives up what lies behind damage in a log)" };
        return Err(format!("damage is left in {places}, {partitions} checked{advice}").into());
    }
    Ok(())
}

fn json(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
