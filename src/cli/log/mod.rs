//! `ringmain log`: looks at a log's files, and repairs them, while no broker has them open.

mod dump;
mod partitions;
mod repair;
mod verify;

use clap::Subcommand;

use super::failure::Failure;

#[derive(Subcommand)]
pub enum Log {
    /// Show what the files of a log say
    Dump(dump::Dump),
    /// Check a log's files against each other
    Verify(verify::Verify),
    /// Make again what can be made from a log
    Repair(repair::Repair),
}

pub fn run(log: Log) -> Result<(), Failure> {
    match log {
        Log::Dump(dump) => dump::run(&dump),
        Log::Verify(verify) => verify::run(&verify),
        Log::Repair(repair) => repair::run(&repair),
    }
}
