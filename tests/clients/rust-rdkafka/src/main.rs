//! Real-client tests through librdkafka, and big-file's writer and reader. Consumers are assigned their
//! partitions: groups and transactions are not what is tested here.
//!
//!     rust-rdkafka tests                    with BOOTSTRAP and STORED in the environment
//!     rust-rdkafka write BOOTSTRAP TOPIC CODEC PARTITIONS FILE      see src/file.rs
//!     rust-rdkafka read BOOTSTRAP TOPIC PARTITIONS RECORDS FILE

mod admin;
mod cluster;
mod consume;
mod file;
mod produce;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use cluster::Cluster;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tests"] => tests(),
        ["write", bootstrap, topic, codec, partitions, path] => {
            done(file::write(bootstrap, topic, codec, partitions, path))
        }
        ["read", bootstrap, topic, partitions, records, path] => {
            done(file::read(bootstrap, topic, partitions, records, path))
        }
        _ => {
            eprintln!("usage: rust-rdkafka tests | write | read ..., see src/main.rs");
            ExitCode::from(2)
        }
    }
}

fn done(outcome: Result<(), Box<dyn std::error::Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rust-rdkafka: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every test, prints a line for each; a test fails by panicking, and its panic is in the log.
fn tests() -> ExitCode {
    let cluster = Cluster::from_environment();
    let mut failed = false;
    for (name, test) in [produce::TESTS, consume::TESTS, admin::TESTS].concat() {
        eprintln!("--- {name}");
        match catch_unwind(AssertUnwindSafe(|| test(&cluster))) {
            Ok(()) => println!("ok {name}"),
            Err(panic) => {
                failed = true;
                let why = panic.downcast_ref::<String>().map(String::as_str);
                let why = why.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
                println!("FAIL {name}: {}", why.replace('\n', " "));
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
