//! Measures a running broker from outside, and what the same machine does without one: the load
//! client (`produce`, `fetch`, `drain`, `topic`, `heartbeats`, `joins`, `commits`, `transactions`) and the yardsticks (`ceiling`, `check`, `send`,
//! `splice`, `device`, `many`). `scripts/measure` runs them against each other; each also runs by itself:
//!
//! ```text
//! cargo bench --bench measure -- ceiling --help
//! ```

mod ceiling;
mod check;
mod cpu;
mod device;
mod drain;
mod fetch;
mod gauge;
mod groups;
mod links;
mod many;
mod pace;
mod produce;
mod requests;
mod rpc;
mod stream;
mod transactions;
mod uring;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "measure", about = "Loads a broker, and measures what it could do at best")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Given by cargo bench
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Creates a topic
    Topic(rpc::CreateTopic),
    /// Sends prebuilt produce requests as fast as they are answered
    Produce(produce::Produce),
    /// Fetches a range of a topic over and over, and throws it away
    Fetch(fetch::Fetch),
    /// A steady producer with a consumer behind it: how long acknowledgements and records take
    Pace(pace::Pace),
    /// Groups of one member that only show that they are alive
    Heartbeats(groups::Heartbeats),
    /// How long it takes until a crowd that joins one group has settled
    Joins(groups::Joins),
    /// Commits offsets as fast as they are answered
    Commits(groups::Commits),
    /// Transactions one after the other, by several producers
    Transactions(transactions::Transactions),
    /// Reads a stream and throws it away: the reader of fetch, for send and splice
    Drain(drain::Drain),
    /// Yardstick of produce: receive, checksum, one copy, direct writes; no broker
    Ceiling(ceiling::Ceiling),
    /// What looking at a produced batch costs: the checksum, and the walk over its records
    Check(check::Check),
    /// Yardstick of fetch from memory: a loop around send
    Send(stream::Send),
    /// Yardstick of fetch from files: a loop around splice
    Splice(stream::Splice),
    /// What the disk does: block sizes, depths, ways of being durable
    Device(device::Device),
    /// What the disk does with many files at once: a flush for each, or one for all
    Many(many::Many),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Some(Command::Topic(command)) => rpc::create_topic(&command),
        Some(Command::Produce(command)) => produce::run(&command),
        Some(Command::Fetch(command)) => fetch::run(&command),
        Some(Command::Pace(command)) => pace::run(&command),
        Some(Command::Heartbeats(command)) => groups::heartbeats(&command),
        Some(Command::Joins(command)) => groups::joins(&command),
        Some(Command::Commits(command)) => groups::commits(&command),
        Some(Command::Transactions(command)) => transactions::run(&command),
        Some(Command::Drain(command)) => drain::run(&command),
        Some(Command::Ceiling(command)) => ceiling::run(&command),
        Some(Command::Check(command)) => check::run(&command),
        Some(Command::Send(command)) => stream::send(&command),
        Some(Command::Splice(command)) => stream::splice(&command),
        Some(Command::Device(command)) => device::run(&command),
        Some(Command::Many(command)) => many::run(&command),
        // What a test runner and a bare `cargo bench` do.
        None => Arguments::command().print_help(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("measure: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Pins this process's only thread.
fn pin(cpu: Option<usize>) -> io::Result<()> {
    let Some(id) = cpu else { return Ok(()) };
    match core_affinity::set_for_current(core_affinity::CoreId { id }) {
        true => Ok(()),
        false => Err(io::Error::other(format!("CPU {id} cannot be used here"))),
    }
}

/// A number of bytes with an optional k, m or g (powers of 1,024).
fn bytes(text: &str) -> Result<u64, String> {
    let text = text.to_ascii_lowercase();
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'k')) => (&text[..at], 10),
        Some((at, 'm')) => (&text[..at], 20),
        Some((at, 'g')) => (&text[..at], 30),
        _ => (&text[..], 0),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text} is no number of bytes"))?;
    Ok(number << shift)
}
