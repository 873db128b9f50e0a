//! The binary `ringmain-bench`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ringmain_bench::command::{find_max, host, report, run};
use ringmain_bench::driver::Result;
use ringmain_bench::yardstick;

#[derive(Parser)]
#[command(
    name = "ringmain-bench",
    about = "Measures brokers side by side on this machine",
    version
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Does workloads with brokers, in rounds that take turns, and compares
    Run(run::RunArguments),
    /// The limits of this host, and how far a broker is from them
    Host(host::HostArguments),
    /// Shows a result: as one page with plots, as Markdown, as pictures
    Report(report::ReportArguments),
    /// Looks for the highest rate that keeps a latency
    FindMax(find_max::FindMaxArguments),
    /// Single measurements: a load client, and what the machine does without a broker
    Yardstick {
        #[command(subcommand)]
        command: yardstick::Command,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done: Result<()> = match &arguments.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Host(arguments) => host::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::FindMax(arguments) => find_max::run(arguments),
        Command::Yardstick { command } => yardstick::run(command).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringmain-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
