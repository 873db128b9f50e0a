//! The command line: one file a subcommand.

mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A Kafka-wire-compatible message broker for bare-metal Linux.
#[derive(Parser)]
#[command(name = "ringmain", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the broker
    Serve(serve::Serve),
}

/// Runs the command line to its end. Errors are one line, and say what to do.
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(serve) => serve::run(serve),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("ringmain: {message}");
            ExitCode::FAILURE
        }
    }
}
