//! `ringmain produce`: cuts its input into records and writes them to a topic.

mod record;
mod splitter;

use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::cluster::ClusterArgs;
use super::failure::Failure;
use super::input::Input;
use super::interrupt::Interrupt;
use super::progress::Progress;
use super::race::{First, race};
use super::{escape, topic, units};
use crate::client::producer::{Acks, Producer, ProducerOptions};
use crate::client::{Cluster, Error};
use crate::config::limits;
use crate::model::ErrorCode;
use crate::rt;
use crate::wire::compression::Codec;
use record::Shape;
use splitter::{Cut, Splitter};

/// How often people are told how it goes, and when those who wait for the end are told how to make one.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS_BEFORE_ADVICE: u32 = 10;

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  echo 'hello' | ringmain produce -t orders
  ringmain produce -t orders                                type records, Ctrl-D ends
  ringmain produce -t orders -k : <<< 'customer-7:42.50'    with a key
  ringmain produce -t orders -k '\\t' -f orders.tsv -z zstd  keys from a table, compressed
  ringmain produce -t orders -H source=import -f orders.txt a header for every record
  ringmain produce -t images --chunk-bytes 512k -f disk.img any bytes, cut by size

Records without a key are spread over the partitions in batches; those with one go where Java
clients put them. With acks=all records are written exactly once and in order, whatever is repeated.";

#[derive(Args)]
#[command(about = "Write records to a topic")]
#[command(long_about = "Write records to a topic: one a line from standard input, or from a file")]
#[command(after_help = EXAMPLES)]
pub struct Produce {
    /// Topic to write to; it is made if the cluster makes topics by itself
    #[arg(long, short, value_name = "NAME")]
    topic: String,
    /// Read this file instead of standard input
    #[arg(long, short, value_name = "FILE", help_heading = "Input")]
    file: Option<PathBuf>,
    /// What ends a record; \n, \t, \0 and \xHH are understood
    #[arg(long, short, value_name = "TEXT", default_value = r"\n", help_heading = "Input")]
    #[arg(value_parser = Bytes::parse)]
    delimiter: Bytes,
    /// Cut the input into records of this size instead, whatever bytes it has
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes, help_heading = "Input")]
    #[arg(conflicts_with_all = ["delimiter", "key_separator", "headers", "null"])]
    chunk_bytes: Option<usize>,
    /// Each record is a key, this text, and a value
    #[arg(long, short, value_name = "TEXT", help_heading = "Input", value_parser = Bytes::parse)]
    key_separator: Option<Bytes>,
    /// Each record begins with its headers, written k=v,k=v and a tab
    #[arg(long, help_heading = "Input")]
    headers: bool,
    /// A header for every record; may be given several times
    #[arg(long, short = 'H', value_name = "KEY=VALUE", help_heading = "Input")]
    #[arg(value_parser = key_value)]
    header: Vec<(String, String)>,
    /// A key or value that is this text is null; a null value deletes its key in compacted topics
    #[arg(long, value_name = "TEXT", help_heading = "Input", value_parser = Bytes::parse)]
    null: Option<Bytes>,

    /// Write to this partition only
    #[arg(long, short, value_name = "N", help_heading = "Writing")]
    #[arg(value_parser = units::natural::<i32>, allow_negative_numbers = true)]
    partition: Option<i32>,
    /// Compress batches
    #[arg(long, short = 'z', value_name = "CODEC", value_enum, default_value = "none")]
    #[arg(help_heading = "Writing")]
    codec: CodecName,
    /// Who must have a record before it counts as written: 0 nobody, 1 the leader, all every
    /// replica in sync, as durably as the topic says
    #[arg(long, short, value_name = "ACKS", value_enum, default_value = "all")]
    #[arg(help_heading = "Writing", hide_possible_values = true)]
    acks: AcksName,
    /// Do without the numbers that let brokers drop repeated batches; one batch a partition is then
    /// under way at a time, so that order is kept
    #[arg(long, help_heading = "Writing")]
    no_idempotence: bool,
    /// Send a batch at the latest when it holds this much
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes, default_value = "256k")]
    #[arg(help_heading = "Writing")]
    batch_bytes: usize,
    /// Send a batch at the latest after this time
    #[arg(long, value_name = "MS", default_value_t = 5, help_heading = "Writing")]
    linger_ms: u32,

    /// Show no progress and no figures
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,

    #[command(flatten)]
    cluster: ClusterArgs,
}

/// An argument with its escapes resolved; a type of its own, because clap takes `Vec` for several.
#[derive(Clone, Debug)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn parse(text: &str) -> Result<Bytes, String> {
        escape::parse(text).map(Bytes)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CodecName {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl CodecName {
    fn codec(self) -> Codec {
        match self {
            CodecName::None => Codec::None,
            CodecName::Gzip => Codec::Gzip,
            CodecName::Snappy => Codec::Snappy,
            CodecName::Lz4 => Codec::Lz4,
            CodecName::Zstd => Codec::Zstd,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AcksName {
    #[value(name = "0")]
    None,
    #[value(name = "1")]
    Leader,
    #[value(name = "all", alias = "-1")]
    All,
}

impl AcksName {
    fn acks(self) -> Acks {
        match self {
            AcksName::None => Acks::None,
            AcksName::Leader => Acks::Leader,
            AcksName::All => Acks::All,
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it is written KEY=VALUE".to_owned()),
    }
}

pub fn run(args: Produce) -> Result<(), Failure> {
    if args.chunk_bytes.is_none() && args.delimiter.0.is_empty() {
        return Err(Failure::Usage(
            "--delimiter is empty: give what ends a record, or cut by size with --chunk-bytes"
                .into(),
        ));
    }
    if args.batch_bytes > limits::BATCH_BYTES_MAX {
        let most = units::bytes(limits::BATCH_BYTES_MAX as u64);
        return Err(Failure::Usage(format!("--batch-bytes is at most {most}")));
    }
    let input = Input::open(args.file.as_deref())?;
    let interrupt = Interrupt::catch()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| produce(cluster, args, input, interrupt))
}

async fn produce(
    cluster: Rc<Cluster>,
    args: Produce,
    input: Input,
    interrupt: Interrupt,
) -> Result<(), Failure> {
    let acks = args.acks.acks();
    let options = ProducerOptions {
        acks,
        idempotent: acks == Acks::All && !args.no_idempotence,
        codec: args.codec.codec(),
        batch_bytes: args.batch_bytes,
        linger: Duration::from_millis(args.linger_ms.into()),
        buffer_bytes: (4 * args.batch_bytes).max(32 << 20),
        delivery_timeout: args.cluster.timeout(),
        create_topic: true,
    };
    let producer = match Producer::open(cluster, &args.topic, options).await {
        Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
            return Err(topic::missing(&args.topic));
        }
        opened => opened?,
    };
    let partitions = producer.partitions();
    if let Some(missing) = args.partition.filter(|&index| index as usize >= partitions) {
        return Err(topic::missing_partition(&args.topic, missing, partitions));
    }
    if input.is_terminal() && !args.quiet {
        eprintln!("Type records, one a line; Ctrl-D ends.");
    }
    let visible = !args.quiet && !input.is_terminal();
    let mut progress = Progress::new("wrote", input.len(), visible);
    let result = write(&producer, &args, input, &interrupt, &mut progress).await;
    progress.clear();
    let written = producer.written().records;
    match result {
        Ok(ended) => {
            if !args.quiet {
                eprintln!("{}", progress.summary());
            }
            ended
        }
        Err(failure) => {
            let left = progress.records() - written;
            if let (Failure::Told(reason), true) = (&failure, progress.records() > 0) {
                return Err(Failure::Told(format!(
                    "{reason}; {} written before, {} not known to be",
                    units::counted(written, "record"),
                    units::thousands(left),
                )));
            }
            Err(failure)
        }
    }
}

/// Reads to the end or to the interruption, and waits until everything is acknowledged.
async fn write(
    producer: &Producer,
    args: &Produce,
    mut input: Input,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Result<(), Failure>, Failure> {
    let cut = match args.chunk_bytes {
        Some(size) => Cut::Every(size),
        None => Cut::At(args.delimiter.0.clone()),
    };
    let mut splitter = Splitter::new(cut);
    let shape = Shape {
        headers: args.headers,
        key_separator: args.key_separator.as_ref().map(|separator| separator.0.clone()),
        null: args.null.as_ref().map(|null| null.0.clone()),
        common: args.header.clone(),
        partition: args.partition,
    };
    let mut read = 0;
    let mut ended = Ok(());
    loop {
        let next = race(interrupt.wait(), input.chunk());
        let chunk = match rt::timeout(LOOK, next).await {
            None => {
                look(producer, progress, read);
                continue;
            }
            Some(First::Right(chunk)) => chunk?,
            Some(First::Left(())) => {
                ended = Err(Failure::Interrupted);
                break;
            }
        };
        let Some(chunk) = chunk else { break };
        read += chunk.len() as u64;
        splitter.push(&chunk);
        input.recycle(chunk);
        while let Some(line) = splitter.next() {
            send(producer, &shape, line, progress).await?;
        }
        if splitter.waiting() > limits::FRAME_BYTES_MAX / 4 {
            return Err(format!(
                "record {} is longer than {}: is the delimiter right? (--chunk-bytes cuts by size)",
                progress.records() + 1,
                units::bytes(limits::FRAME_BYTES_MAX as u64 / 4),
            )
            .into());
        }
        look(producer, progress, read);
    }
    if ended.is_ok()
        && let Some(line) = splitter.rest()
    {
        send(producer, &shape, line, progress).await?;
    }
    let mut flush = pin!(producer.flush());
    let mut looks = 0;
    loop {
        if let Some(flushed) = rt::timeout(LOOK, flush.as_mut()).await {
            return flushed.map(|()| ended).map_err(explain);
        }
        look(producer, progress, read);
        looks += 1;
        if looks == LOOKS_BEFORE_ADVICE && ended.is_err() {
            let left = progress.records() - producer.written().records;
            let left = units::counted(left, "record");
            progress.note(&format!("waiting for {left} to be written; Ctrl-C gives them up"));
        }
    }
}

/// Shows people how far it is, and what is wrong.
fn look(producer: &Producer, progress: &Progress, read: u64) {
    progress.show(read);
    if let Some(error) = producer.trouble() {
        progress.note(&format!("{error}; trying again"));
    }
}

async fn send(
    producer: &Producer,
    shape: &Shape,
    line: &[u8],
    progress: &mut Progress,
) -> Result<(), Failure> {
    let number = progress.records() + 1;
    let parsed =
        shape.parse(line).map_err(|fault| format!("record {number} of the input {fault}"))?;
    producer.send(&parsed.record(rt::unix_ms(), shape.partition)).await.map_err(explain)?;
    progress.count(1, line.len() as u64);
    Ok(())
}

fn explain(error: Error) -> Failure {
    let advice = match error.code() {
        Some(ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE) => {
            "; lower --batch-bytes, or raise the topic's max.message.bytes"
        }
        Some(ErrorCode::INVALID_RECORD) => "; a compacted topic wants a key (--key-separator)",
        _ => "",
    };
    match Failure::from(error) {
        Failure::Told(message) => Failure::Told(message + advice),
        other => other,
    }
}
