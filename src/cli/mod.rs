//! The command line: one file, or one folder, a subcommand. Errors are one line, and say what to do.

mod arguments;
mod claim;
mod cluster;
mod consume;
mod escape;
mod failure;
mod group;
mod input;
mod interrupt;
mod log;
mod output;
mod produce;
mod progress;
mod race;
mod serve;
mod table;
mod topic;
mod txn;
mod units;

use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use failure::Failure;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::BrightBlack.on_default());

const EXAMPLES: &str = "\x1b[1;32mFirst steps:\x1b[0m
  ringmain serve --data ./data                          # a broker; leave it running
  ringmain topic create orders --partitions 4
  echo 'hello' | ringmain produce --topic orders
  ringmain consume --topic orders --from-beginning      # Ctrl-C ends it

Commands talk to 127.0.0.1:9092 unless --bootstrap or RINGMAIN_BOOTSTRAP names another broker.";

/// A Kafka-wire-compatible message broker for bare-metal Linux
#[derive(Parser)]
#[command(name = "ringmain", version, styles = STYLES, arg_required_else_help = true)]
#[command(after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the broker
    Serve(serve::Serve),
    /// Create, list, describe, change and delete topics
    #[command(subcommand)]
    Topic(topic::Topic),
    /// List and describe transactions, and end those that hang
    #[command(subcommand)]
    Txn(txn::Txn),
    /// Write records to a topic
    Produce(produce::Produce),
    /// Read records of a topic
    Consume(consume::Consume),
    /// List, describe, reset and delete consumer groups
    #[command(subcommand)]
    Group(group::Group),
    /// Look at a log's files, and check them
    #[command(subcommand)]
    Log(log::Log),
}

/// Runs the command line to its end.
pub fn run() -> ExitCode {
    let result = match arguments::parse::<Cli>().map(|cli| cli.command) {
        Err(failure) => Err(failure),
        Ok(Command::Serve(serve)) => serve::run(serve).map_err(Failure::from),
        Ok(Command::Topic(topic)) => topic::run(topic),
        Ok(Command::Txn(txn)) => txn::run(txn),
        Ok(Command::Produce(produce)) => produce::run(produce),
        Ok(Command::Consume(consume)) => consume::run(consume),
        Ok(Command::Group(group)) => group::run(group),
        Ok(Command::Log(log)) => log::run(log),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
