//! `ringmain topic fan-out`: drains a topic into one with more partitions, every record once and
//! each key in its order.

mod begin;
mod job;
mod load;
mod pace;
mod pass;
mod progress;
mod report;
mod target;

use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use super::missing;
use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Output;
use crate::cli::units;
use crate::client::{Cluster, Error};
use crate::model::ErrorCode;
use job::{Job, Outcome};
use pace::Pace;

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain topic fan-out orders orders-16 --partitions 16
  ringmain topic fan-out orders orders-16 --group billing         what billing has not read yet
  ringmain topic fan-out orders orders-16 --rate 20m              20 MiB a second at most
  ringmain topic fan-out orders orders-16 --follow                until Ctrl-C, new records too

Every record arrives once: records and progress are committed in one transaction, under the group
ringmain-fan-out.SOURCE.TARGET. Whatever stops it, the same command goes on where it was; `ringmain
group delete ringmain-fan-out.SOURCE.TARGET` lets it begin anew. Read the target with
read_committed. Records with a key go where Kafka's producers put them, those of one source
partition in their order. Run it on the broker's host and no record crosses the network.

A group's consumers go over like this: stop them, run fan-out with --group, start them on the
target. They find what they had not read, and nothing that they had.";

#[derive(Args)]
#[command(about = "Drain a topic into one with more partitions", after_help = EXAMPLES)]
pub struct FanOut {
    /// Topic to drain; its records stay where they are
    source: String,
    /// Topic to write to; with --partitions it is made, with the settings of the source
    target: String,
    /// Partitions of the target
    #[arg(long, short, value_name = "N", value_parser = units::positive::<i32>, allow_negative_numbers = true)]
    partitions: Option<i32>,
    /// Begin where this group has read to, and let it go on with the target: what is drained is what
    /// it finds there
    #[arg(long, short, value_name = "GROUP")]
    group: Option<String>,
    /// Bytes a second at most, of keys, values and headers
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    rate: Option<usize>,
    /// Records a second at most
    #[arg(long, value_name = "N", value_parser = units::positive::<u64>, allow_negative_numbers = true)]
    max_records_per_second: Option<u64>,
    /// Go on with what is written to the source meanwhile, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Print one line of JSON at the end
    #[arg(long, short)]
    json: bool,
    /// Show no progress and no figures
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    target: &'a str,
    /// Of this run.
    records: u64,
    bytes: u64,
    /// Offsets of the source that are still to be drained.
    behind: u64,
    finished: bool,
}

pub fn run(args: FanOut) -> Result<(), Failure> {
    if args.source == args.target {
        return Err(Failure::Usage("a topic cannot be drained into itself".to_owned()));
    }
    let output = Output::standard()?;
    let interrupt = Interrupt::catch()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| fan_out(cluster, args, output, interrupt))
}

async fn fan_out(
    cluster: Rc<Cluster>,
    args: FanOut,
    mut output: Output,
    interrupt: Interrupt,
) -> Result<(), Failure> {
    let source = match cluster.topic(&args.source, false).await {
        Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
            return Err(missing(&args.source));
        }
        found => found?,
    };
    if source.is_internal {
        return Err(Failure::Told(format!("{} is the broker's own", args.source)));
    }
    if let Some(group) = &args.group {
        begin::check_group(&cluster, group, &args.source).await?;
    }
    let named = (args.source.as_str(), &source);
    let target = target::open(&cluster, named, &args.target, args.partitions).await?;
    if target.is_new && !args.quiet {
        let count = units::counted(args.partitions.unwrap_or(0) as u64, "partition");
        eprintln!("topic {} created with {count}, set as {}", args.target, args.source);
    }
    if target.stamps && !args.quiet {
        eprintln!("topic {} stamps records itself: it will not keep their times", args.target);
    }
    let mut job = Job::new(
        cluster,
        &args.source,
        &args.target,
        args.group.as_deref(),
        args.follow,
        Pace::new(args.rate.map(|rate| rate as u64), args.max_records_per_second),
        target.batch_bytes,
        args.quiet,
    );
    let ended = job.run(&interrupt).await;
    let figures = job.report().map(|report| report.end());
    if let (Some(figures), false) = (&figures, args.quiet) {
        eprintln!("{figures}");
    }
    let finished = matches!(ended, Ok(Outcome::Done));
    if args.json {
        let count = |of: fn(&report::Report) -> u64| job.report().map_or(0, of);
        output.json(&Line {
            source: &args.source,
            target: &args.target,
            records: count(report::Report::records),
            bytes: count(report::Report::bytes),
            behind: count(report::Report::behind),
            finished,
        });
    } else if finished {
        output.line(&format!("topic {} is drained into {}", args.source, args.target));
    }
    output.flush().await?;
    match ended? {
        Outcome::Done => Ok(()),
        Outcome::Interrupted if args.follow => Ok(()),
        Outcome::Interrupted => {
            if !args.quiet {
                eprintln!("The same command goes on from here.");
            }
            Err(Failure::Interrupted)
        }
    }
}

/// What a failure means for whoever has to mend it.
fn explain(error: Error, target: &str) -> Failure {
    match error.code() {
        Some(ErrorCode::PRODUCER_FENCED | ErrorCode::INVALID_PRODUCER_EPOCH) => Failure::Told(
            "another run of the same fan-out has taken over, or a transaction of this one took too \
             long; what was committed is safe, and the same command goes on from there"
                .to_owned(),
        ),
        Some(ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE) => Failure::Told(
            format!("{error}; raise max.message.bytes of topic {target} and run it again"),
        ),
        Some(ErrorCode::INVALID_RECORD) => Failure::Told(format!(
            "{error}; is {target} compacted? Then every record needs a key"
        )),
        _ => Failure::from(error),
    }
}
