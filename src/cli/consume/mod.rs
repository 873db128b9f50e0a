//! `ringmain consume`: reads records of a topic, or as a member of a group its part of several, and
//! prints them.

mod base64;
mod format;
mod group;
mod json;
mod places;
mod readers;

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::cluster::ClusterArgs;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::output::Output;
use super::progress::Progress;
use super::race::{First, race};
use super::{escape, topic, units};
use crate::client::consumer::{ConsumedRecord, Consumer, ConsumerOptions, Event, Fetched};
use crate::client::{Cluster, Isolation, Topic};
use crate::model::{ErrorCode, Offset};
use format::Format;
use places::Place;

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain consume -t orders                            what is written from now on
  ringmain consume -t orders --from-beginning -e        everything there is, then end
  ringmain consume -t orders -o -10 -e                  the last 10 records of each partition
  ringmain consume -t orders -p 2 -o 1500 -c 1          one record
  ringmain consume -t orders -o @1760000000000          since a time (milliseconds since 1970)
  ringmain consume -t orders -f '%p:%o %k = %v\\n'
  ringmain consume -t orders --json | jq .value
  ringmain consume -t images --from-beginning -e -f %v > disk.img
  ringmain consume --group reports orders clicks        its part of two topics; commits what it printed

\x1b[1;32mFormat:\x1b[0m
  %v value   %k key    %h headers (k=v,k=v)   %t topic       %p partition   %o offset
  %V its length        %K its length          %T time (ms)   %% a percent sign
  \\n \\t \\r \\0 \\xHH are understood. With --headers and --key-separator '\\t', `produce` reads what
  '%h\\t%k\\t%v\\n' prints.";

#[derive(Args)]
#[command(about = "Read records of a topic")]
#[command(long_about = "Read records of a topic and print them, one a line")]
#[command(after_help = EXAMPLES)]
pub struct Consume {
    /// Topic to read; several with --group
    #[arg(long, short, value_name = "NAME", required_unless_present = "more_topics")]
    topic: Vec<String>,
    /// The same without --topic
    #[arg(value_name = "TOPIC")]
    more_topics: Vec<String>,
    /// Read this partition; may be given several times [default: all]
    #[arg(long, short, value_name = "N", value_delimiter = ',', help_heading = "What to read")]
    #[arg(conflicts_with = "group")]
    #[arg(value_parser = units::natural::<i32>, allow_negative_numbers = true)]
    partition: Vec<i32>,
    /// Where to begin: earliest, latest, an offset, -N for the last N records of each partition, or
    /// @MS for a time in milliseconds since 1970. A group begins so only where it has committed nothing
    #[arg(long, short, value_name = "WHERE", default_value = "latest", allow_hyphen_values = true)]
    #[arg(help_heading = "What to read")]
    offset: Place,
    /// The same as --offset earliest
    #[arg(long, conflicts_with = "offset", help_heading = "What to read")]
    from_beginning: bool,
    /// End after this many records
    #[arg(long, short, value_name = "N", help_heading = "What to read")]
    #[arg(value_parser = units::positive::<u64>, allow_negative_numbers = true)]
    count: Option<u64>,
    /// End where the partitions ended when reading began
    #[arg(long, short, help_heading = "What to read")]
    exit_at_end: bool,
    /// Whether records of transactions that are not committed are read
    #[arg(long, value_name = "LEVEL", value_enum, default_value = "read_uncommitted")]
    #[arg(help_heading = "What to read")]
    isolation: IsolationName,

    /// Read as a member of this group of Kafka's classic protocol, beside members of any client:
    /// partitions are shared out, and what was printed is committed every second and at the end
    #[arg(long, short, value_name = "NAME", help_heading = "Group")]
    group: Option<String>,
    /// How partitions are shared out: range (and what others of the group prefer), or
    /// cooperative-sticky, by which members go on reading while the group shares anew
    #[arg(long, value_name = "NAME", value_enum, default_value = "range", requires = "group")]
    #[arg(help_heading = "Group")]
    assignor: AssignorName,
    /// Be a static member under this name: whoever comes back under it within the session timeout
    /// gets its partitions back, and the group does not share anew
    #[arg(long = "static", value_name = "ID", requires = "group", help_heading = "Group")]
    instance: Option<String>,
    /// How long the group waits for a member that has fallen silent
    #[arg(long, value_name = "SECONDS", default_value_t = 45, requires = "group")]
    #[arg(value_parser = units::positive::<u32>, allow_negative_numbers = true, help_heading = "Group")]
    session_timeout: u32,

    /// How a record is printed; see below
    #[arg(long, short, value_name = "FORMAT", default_value = r"%v\n", help_heading = "Output")]
    format: Format,
    /// Print each record as one line of JSON; bytes that are no text as key_base64 and value_base64
    #[arg(long, short, conflicts_with = "format", help_heading = "Output")]
    json: bool,
    /// What stands for a null key or value [default: nothing]
    #[arg(long, value_name = "TEXT", conflicts_with = "json", help_heading = "Output")]
    null: Option<String>,
    /// Show no progress and no figures
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,

    /// Name every partition in every fetch, instead of letting the broker remember them
    #[arg(long, help_heading = "Cluster")]
    no_fetch_sessions: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum IsolationName {
    #[value(name = "read_uncommitted")]
    ReadUncommitted,
    #[value(name = "read_committed")]
    ReadCommitted,
}

impl IsolationName {
    fn isolation(self) -> Isolation {
        match self {
            IsolationName::ReadUncommitted => Isolation::ReadUncommitted,
            IsolationName::ReadCommitted => Isolation::ReadCommitted,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AssignorName {
    Range,
    #[value(name = "cooperative-sticky")]
    CooperativeSticky,
}

/// Prints records.
struct Printer {
    topic: String,
    format: Format,
    json: bool,
    null: Vec<u8>,
    left: u64,
    /// Behind the last record printed.
    next: Offset,
}

impl Consume {
    fn place(&self) -> Place {
        if self.from_beginning { Place::Earliest } else { self.offset }
    }
}

impl Printer {
    fn new(args: &Consume, topic: &str, null: Vec<u8>) -> Printer {
        Printer {
            topic: topic.to_owned(),
            format: args.format.clone(),
            json: args.json,
            null,
            left: args.count.unwrap_or(u64::MAX),
            next: 0,
        }
    }

    fn print(&mut self, record: &ConsumedRecord<'_>, out: &mut Output) -> ControlFlow<()> {
        if self.json {
            out.json(&json::Line { topic: &self.topic, record });
        } else {
            self.format.write(&self.topic, record, &self.null, out.buffer());
        }
        self.next = record.offset + 1;
        self.left -= 1;
        if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

pub fn run(mut args: Consume) -> Result<(), Failure> {
    args.topic.append(&mut args.more_topics);
    args.topic.sort_unstable();
    args.topic.dedup();
    if args.topic.len() > 1 && args.group.is_none() {
        return Err(Failure::Usage(
            "several topics are read by a group: name one with --group".to_owned(),
        ));
    }
    let null = match &args.null {
        None => Vec::new(),
        Some(text) => escape::parse(text)
            .map_err(|fault| Failure::Usage(format!("invalid value for '--null': {fault}")))?,
    };
    let output = Output::standard()?;
    let interrupt = Interrupt::catch()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| async move {
        match args.group.is_some() {
            true => group::consume(cluster, args, null, output, interrupt).await,
            false => consume(cluster, args, null, output, interrupt).await,
        }
    })
}

/// A topic that exists.
async fn existing(cluster: &Cluster, name: &str) -> Result<Topic, Failure> {
    match cluster.topic(name, false).await {
        Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
            Err(topic::missing(name))
        }
        found => Ok(found?),
    }
}

async fn consume(
    cluster: Rc<Cluster>,
    args: Consume,
    null: Vec<u8>,
    mut output: Output,
    interrupt: Interrupt,
) -> Result<(), Failure> {
    let name = args.topic[0].as_str();
    let topic = existing(&cluster, name).await?;
    let isolation = args.isolation.isolation();
    let wanted = places::Wanted {
        topic: name,
        partitions: &args.partition,
        place: args.place(),
        to_the_end: args.exit_at_end,
        isolation,
    };
    let starts = wanted.starts(&cluster, &topic).await?;
    let options =
        ConsumerOptions { isolation, sessions: !args.no_fetch_sessions, ..Default::default() };
    let consumer = Consumer::new(cluster, name, topic, &starts, options);
    let to_terminal = io::stdout().is_terminal();
    if to_terminal && !args.quiet && wanted.place == Place::Latest && !args.exit_at_end {
        eprintln!(
            "Waiting for new records of {name} (--from-beginning shows old ones, Ctrl-C ends)."
        );
    }
    let ahead = starts.iter().map(|start| start.end.map(|end| (end - start.offset).max(0) as u64));
    let total = match (ahead.sum::<Option<u64>>(), args.count) {
        (Some(ahead), Some(count)) => Some(ahead.min(count)),
        (ahead, count) => ahead.or(count),
    };
    let mut progress = Progress::new("read", total, !args.quiet && !to_terminal);
    let mut printer = Printer::new(&args, name, null);
    let reading = read(&consumer, &mut printer, &mut output, &mut progress);
    let ended = match race(reading, interrupt.wait()).await {
        First::Left(ended) => ended,
        First::Right(()) => Err(Failure::Interrupted),
    };
    progress.clear();
    // What was read before a failure was read.
    let flushed = output.flush().await;
    if !args.quiet && !to_terminal && matches!(ended, Ok(()) | Err(Failure::Interrupted)) {
        eprintln!("{}", progress.summary());
    }
    ended.and(flushed)
}

async fn read(
    consumer: &Consumer,
    printer: &mut Printer,
    output: &mut Output,
    progress: &mut Progress,
) -> Result<(), Failure> {
    loop {
        // Long enough that a busy terminal is not drawn for every answer.
        let event = consumer.next();
        let event = match crate::rt::timeout(Duration::from_millis(100), event).await {
            Some(event) => event?,
            None => {
                progress.show(progress.records());
                continue;
            }
        };
        match event {
            Event::Records(fetched) => {
                let done = print(&fetched, printer, output, progress).await?;
                output.flush().await?;
                progress.show(progress.records());
                if done.is_break() {
                    return Ok(());
                }
            }
            Event::Skipped { partition, from, to } => {
                progress.note(&format!(
                    "{}-{partition}: records {from} to {} were removed before they were read",
                    printer.topic,
                    to - 1
                ));
            }
            Event::Trouble(error) => progress.note(&format!("{error}; trying again")),
            Event::End => return Ok(()),
        }
    }
}

async fn print(
    fetched: &Fetched,
    printer: &mut Printer,
    output: &mut Output,
    progress: &mut Progress,
) -> Result<ControlFlow<()>, Failure> {
    for batch in fetched.batches() {
        for record in batch?.records() {
            let record = record?;
            let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as u64;
            progress.count(1, len(record.key) + len(record.value));
            if printer.print(&record, output).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if output.is_full() {
            output.flush().await?;
            progress.show(progress.records());
        }
    }
    Ok(ControlFlow::Continue(()))
}
