//! `ringmain-bench run`: every workload with every broker, in rounds that take turns.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use hdrhistogram::Histogram;

use crate::broker::first_line;
use crate::clock;
use crate::command;
use crate::command::host::HostArguments;
use crate::command::options::Options;
use crate::contestant::{Contestant, Work};
use crate::driver::Result;
use crate::interval_log;
use crate::meter::host;
use crate::result::{Broker, Cell, FORMAT, Latencies, Run, WorkloadResult};
use crate::round::{self, Done, Outcome};
use crate::table;
use crate::times;

#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// A workload file; several are done one after the other
    #[arg(long, value_name = "FILE", required = true)]
    pub workload: Vec<PathBuf>,
    /// Rounds of each workload; the brokers take turns in each
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Where the result is written
    #[arg(long, value_name = "FILE", default_value = "target/bench/result.json")]
    pub out: PathBuf,
    /// Where interval logs of latency are written (.hlog, one a round)
    #[arg(long, value_name = "DIR")]
    pub hlog: Option<PathBuf>,
    /// Measures the limits of this host first
    #[arg(long)]
    pub host: bool,
    /// Does not kill and restart the brokers
    #[arg(long)]
    pub no_kill: bool,
    #[command(flatten)]
    pub options: Options,
}

/// How the reason of a cell begins whose broker should have done the work and did not.
const FAILED: &str = "failed";

/// Of the rounds of one broker together.
struct Sums {
    produce: Histogram<u64>,
    end_to_end: Histogram<u64>,
    fetch: Histogram<u64>,
}

pub fn run(arguments: &RunArguments) -> Result<()> {
    let options = &arguments.options;
    let contestants = options.contestants()?;
    let works: Vec<Work> =
        arguments.workload.iter().map(|path| Work::read(path)).collect::<Result<_>>()?;
    let mut host = host::facts(&options.dir);
    host.broker_cpus.clone_from(&options.broker_cpus.0);
    host.client_cpus.clone_from(&options.client_cpus.0);
    let mut run = Run {
        format: FORMAT,
        date: clock::rfc3339(clock::now()),
        command: std::env::args().collect(),
        version: env!("CARGO_PKG_VERSION").into(),
        host,
        brokers: contestants.iter().map(described).collect(),
        workloads: Vec::new(),
        ceilings: Vec::new(),
    };
    if arguments.host {
        let limits = HostArguments {
            broker: None,
            dir: options.dir.clone(),
            broker_cpus: options.broker_cpus.clone(),
            client_cpus: options.client_cpus.clone(),
            seconds: 1.0,
            out: None,
        };
        std::fs::create_dir_all(&options.dir)?;
        run.ceilings =
            command::host::measure(&limits, |one| println!("{}", command::host::line(one)))?;
    }
    for work in &works {
        let result = workload(arguments, work, &contestants, &mut run)?;
        print!("{}", table::of(&run, &result));
        run.workloads.push(result);
        // After each: what was found is not lost with what comes.
        write(&run, &arguments.out)?;
    }
    println!("written to {}", arguments.out.display());
    let cells = run.workloads.iter().flat_map(|workload| &workload.cells);
    match cells
        .filter(|cell| cell.absent.as_ref().is_some_and(|why| why.starts_with(FAILED)))
        .count()
    {
        0 => Ok(()),
        failed => Err(format!("{failed} cells failed; the rest is written").into()),
    }
}

fn described(contestant: &Contestant) -> Broker {
    let file = &contestant.file;
    let launch = file.launch.as_ref();
    let version = launch.and_then(|launch| first_line(&launch.version, &contestant.root()));
    // Some say their name with it.
    // Without the program's name, which stands beside it; what follows may name the package too.
    let version = version.map(|text| match text.split_once(' ') {
        Some((name, rest)) if !name.contains(|c: char| c.is_ascii_digit()) => rest.to_owned(),
        _ => text,
    });
    Broker {
        name: file.name.clone(),
        version: version.unwrap_or_default(),
        driver: file.driver_name(),
        client: String::new(),
        command: Vec::new(),
        about: file.about.clone(),
    }
}

fn workload(
    arguments: &RunArguments,
    work: &Work,
    contestants: &[Contestant],
    run: &mut Run,
) -> Result<WorkloadResult> {
    let cell = |one: &Contestant| Cell { broker: one.file.name.clone(), ..Cell::default() };
    let mut cells: Vec<Cell> = contestants.iter().map(cell).collect();
    let mut sums: Vec<Sums> = contestants.iter().map(|_| Sums::default()).collect();
    let name = &work.workload.name;
    for number in 0..arguments.rounds {
        for (at, contestant) in contestants.iter().enumerate() {
            if cells[at].absent.is_some() {
                continue;
            }
            let last = number + 1 == arguments.rounds;
            let terms = arguments.options.terms(contestant, last && !arguments.no_kill)?;
            eprintln!(
                "{name}: {}, round {} of {}",
                contestant.file.name,
                number + 1,
                arguments.rounds
            );
            match round::run(contestant, work, number, &terms) {
                Ok(Outcome::Cannot(why)) => cells[at].absent = Some(why),
                Ok(Outcome::Done(done)) => {
                    take(*done, at, &mut cells[at], &mut sums[at], run, arguments, name)?;
                }
                Err(error) => {
                    eprintln!("  {error}");
                    cells[at].absent = Some(format!("{FAILED} in round {}: {error}", number + 1));
                }
            }
        }
    }
    for (cell, sums) in cells.iter_mut().zip(&sums) {
        cell.summarise();
        cell.latency = Latencies {
            produce: times::latency(&sums.produce),
            end_to_end: times::latency(&sums.end_to_end),
            fetch: times::latency(&sums.fetch),
        };
    }
    Ok(WorkloadResult { name: name.clone(), workload: work.workload.clone(), cells })
}

fn take(
    done: Done,
    at: usize,
    cell: &mut Cell,
    sums: &mut Sums,
    run: &mut Run,
    arguments: &RunArguments,
    workload: &str,
) -> Result<()> {
    let broker = &mut run.brokers[at];
    broker.client = done.client;
    // What the launch says of it names its package too.
    if let (Some(version), true) = (done.version, broker.version.is_empty()) {
        broker.version = version;
    }
    broker.command = done.command;
    run.host.others_cpus = run.host.others_cpus.max(done.others_cpus);
    sums.produce.add(&done.tally.produce)?;
    sums.end_to_end.add(&done.tally.end_to_end)?;
    sums.fetch.add(&done.tally.fetch)?;
    if let Some(dir) = &arguments.hlog {
        let number = done.round.number;
        interval_log::write(
            dir,
            workload,
            &cell.broker,
            number,
            &done.tally,
            done.begin,
            done.slot_seconds,
        )?;
    }
    let round = &done.round;
    eprintln!(
        "  produced {:.1} MB/s, {:.0} records/s; consumed {:.1} MB/s",
        round.produced.mb_per_second,
        round.produced.records_per_second,
        round.consumed.mb_per_second
    );
    round.warnings.iter().for_each(|warning| eprintln!("  WARNING: {warning}"));
    cell.rounds.push(done.round);
    Ok(())
}

pub fn write(run: &Run, path: &std::path::Path) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, serde_json::to_vec_pretty(run)?)?;
    Ok(())
}

impl Default for Sums {
    fn default() -> Sums {
        Sums {
            produce: times::histogram(),
            end_to_end: times::histogram(),
            fetch: times::histogram(),
        }
    }
}
