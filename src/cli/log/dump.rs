//! `ringmain log dump`.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::partitions::{partitions, unreadable};
use crate::cli::failure::Failure;
use crate::log;
use crate::log::names::{self, Name};

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain log dump data/orders-0
  ringmain log dump data/orders-0/00000000000000000000.log --records
  ringmain log dump data/orders-0 --json | jq 'select(.kind == \"batch\") | .bytes'

It may look at a running broker's files: what is being written shows as reserved or cut off.";

#[derive(Args)]
#[command(about = "Show what the files of a log say", after_help = EXAMPLES)]
pub struct Dump {
    /// A file, a partition's directory, or a data directory
    #[arg(required = true, value_name = "PATH")]
    path: Vec<PathBuf>,
    /// Also the records in each batch
    #[arg(long, short)]
    records: bool,
    /// Print one line of JSON an item
    #[arg(long, short)]
    json: bool,
}

pub fn run(args: &Dump) -> Result<(), Failure> {
    let form = log::Form { json: args.json, records: args.records };
    let mut out = Tracked { out: BufWriter::new(io::stdout().lock()), failure: None };
    for path in &args.path {
        let paths = if path.is_dir() { partitions(path)? } else { vec![path.clone()] };
        if is_foreign(path) {
            let name = path.display();
            return Err(format!("{name} is no file of a log: those end in .log, .index ...").into());
        }
        for path in paths {
            let dumped = log::dump(&path, form, &mut out);
            if let Some(failure) = out.failure.take() {
                return Err(failure);
            }
            dumped.map_err(|error| unreadable(&path, &error))?;
        }
    }
    out.flush().map_err(|error| Failure::of_output(&error))
}

/// A file that says nothing about a log.
fn is_foreign(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_checkpoint = name.starts_with("checkpoint-");
    path.is_file() && names::parse(&name) == Name::Foreign && !is_checkpoint
}

/// Standard output which remembers that it failed, so that this is not taken for a failure to read.
struct Tracked<W: Write> {
    out: W,
    failure: Option<Failure>,
}

impl<W: Write> Write for Tracked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).inspect_err(|error| self.failure = Some(Failure::of_output(error)))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
