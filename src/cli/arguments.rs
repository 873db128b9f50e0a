//! Reads the command line. What clap says over several lines when it does not understand becomes one
//! line that says what to do.

use std::env;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::failure::Failure;

/// Help and version are printed here; the process then ends well.
pub fn parse<C: Parser + CommandFactory>() -> Result<C, Failure> {
    let error = match C::try_parse() {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that has gone does not want the rest.
            let _ = error.print();
            Err(Failure::NobodyReads)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Err(Failure::Shown)
        }
        _ => {
            let asked = asked(&C::command());
            Err(Failure::Usage(one_line(&error.render().to_string(), &asked)))
        }
    }
}

/// The subcommand that was meant, such as `ringmain topic create`.
fn asked(command: &clap::Command) -> String {
    let mut path = command.get_name().to_owned();
    let mut command = command;
    for word in env::args().skip(1) {
        match command.find_subcommand(&word) {
            Some(found) => command = found,
            None => break,
        }
        path = format!("{path} {word}");
    }
    path
}

fn one_line(rendered: &str, asked: &str) -> String {
    let is_told = |line: &&str| !line.starts_with("Usage:") && !line.starts_with("For more");
    let lines = rendered.lines().take_while(is_told).map(str::trim);
    let told: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let mut text = String::new();
    for line in told {
        let line = line.strip_prefix("error: ").unwrap_or(line);
        let joint = match line {
            _ if text.is_empty() => "",
            _ if text.ends_with([':', ';']) => " ",
            _ if line.starts_with('[') => " ",
            _ if line.starts_with("tip: ") => "; ",
            _ => ", ",
        };
        text.push_str(joint);
        text.push_str(line.strip_prefix("tip: ").unwrap_or(line));
    }
    format!("{text} (see `{asked} --help`)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clap_says_becomes_one_line() {
        let check = |rendered: &str, expect: &str| {
            assert_eq!(
                one_line(rendered, "ringmain x"),
                format!("{expect} (see `ringmain x --help`)")
            );
        };
        check(
            "error: unexpected argument '--topik' found\n\n  tip: a similar argument exists: \
             '--topic'\n\nUsage: ringmain x\n\nFor more information, try '--help'.\n",
            "unexpected argument '--topik' found; a similar argument exists: '--topic'",
        );
        check(
            "error: the following required arguments were not provided:\n  --topic <TOPIC>\n  \
             --other <X>\n\nUsage: ringmain x --topic <TOPIC>\n",
            "the following required arguments were not provided: --topic <TOPIC>, --other <X>",
        );
        check(
            "error: invalid value 'x' for '--codec <CODEC>'\n  [possible values: none, gzip]\n",
            "invalid value 'x' for '--codec <CODEC>' [possible values: none, gzip]",
        );
    }
}
