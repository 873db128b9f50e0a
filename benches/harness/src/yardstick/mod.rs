//! The load client of single measurements (`produce`, `fetch`, `drain`, `topic`, `heartbeats`, `joins`,
//! `commits`, `transactions`) and the yardsticks (`ceiling`, `check`, `send`, `splice`, `device`, `many`): what a running
//! broker does, and what the same machine does without one. `scripts/measure` and `ringmain-bench host` run
//! them against each other; each also runs by itself: `ringmain-bench yardstick ceiling --help`.

mod ceiling;
pub mod check;
pub mod device;
mod drain;
pub mod fetch;
mod gauge;
mod groups;
mod many;
mod pace;
mod produce;
mod requests;
mod stream;
mod transactions;
pub mod uring;

use std::io;

use clap::Subcommand;

use crate::lean::rpc;

#[derive(Subcommand)]
pub enum Command {
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

pub fn run(command: &Command) -> io::Result<()> {
    match command {
        Command::Topic(command) => rpc::create_topic(command),
        Command::Produce(command) => produce::run(command),
        Command::Fetch(command) => fetch::run(command),
        Command::Pace(command) => pace::run(command),
        Command::Heartbeats(command) => groups::heartbeats(command),
        Command::Joins(command) => groups::joins(command),
        Command::Commits(command) => groups::commits(command),
        Command::Transactions(command) => transactions::run(command),
        Command::Drain(command) => drain::run(command),
        Command::Ceiling(command) => ceiling::run(command),
        Command::Check(command) => check::run(command),
        Command::Send(command) => stream::send(command),
        Command::Splice(command) => stream::splice(command),
        Command::Device(command) => device::run(command),
        Command::Many(command) => many::run(command),
    }
}

/// Pins the calling thread.
pub fn pin(cpu: Option<usize>) -> io::Result<()> {
    let Some(id) = cpu else { return Ok(()) };
    match core_affinity::set_for_current(core_affinity::CoreId { id }) {
        true => Ok(()),
        false => Err(io::Error::other(format!("CPU {id} cannot be used here"))),
    }
}

/// A number of bytes with an optional k, m or g (powers of 1,024).
pub fn bytes(text: &str) -> Result<u64, String> {
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
