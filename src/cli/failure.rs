//! How a command ends when it does not end well.

use std::io;
use std::process::ExitCode;

use crate::client::Error;

/// The exit code for a command line that makes no sense.
const USAGE: u8 = 2;
/// What shells expect of a process that was interrupted.
const INTERRUPTED: u8 = 130;

#[derive(Debug)]
pub enum Failure {
    /// One line for people.
    Told(String),
    /// The command line makes no sense.
    Usage(String),
    /// The command line is not complete, and what there is to choose from was shown.
    Shown,
    /// Whoever read our output has gone: nothing to say, nothing wrong.
    NobodyReads,
    Interrupted,
}

impl Failure {
    pub fn report(self) -> ExitCode {
        match self {
            Failure::Told(message) => {
                eprintln!("ringmain: {message}");
                ExitCode::FAILURE
            }
            Failure::Usage(message) => {
                eprintln!("ringmain: {message}");
                ExitCode::from(USAGE)
            }
            Failure::Shown => ExitCode::from(USAGE),
            Failure::NobodyReads => ExitCode::SUCCESS,
            Failure::Interrupted => ExitCode::from(INTERRUPTED),
        }
    }

    /// For an error of standard output.
    pub fn of_output(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::NobodyReads,
            _ => Failure::Told(format!("standard output: {}", plain(error))),
        }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Failure {
        Failure::Told(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Failure {
        Failure::Told(message.to_owned())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let advice = match &error {
            Error::Unreachable { .. } => {
                " (`ringmain serve` starts a broker, --bootstrap HOST:PORT names another)"
            }
            Error::TimedOut { .. } => " (--timeout SECONDS allows more)",
            _ => "",
        };
        Failure::Told(format!("{error}{advice}"))
    }
}

/// The system's words without its number.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
