//! `ringmain topic`: create, list, describe, alter, delete, fan-out.

mod alter;
mod create;
mod delete;
mod describe;
mod fan_out;
mod list;

use clap::Subcommand;

use super::failure::Failure;
use crate::client::{Cluster, Error, Metadata, Result, Scope};
use crate::model::ErrorCode;

#[derive(Subcommand)]
pub enum Topic {
    /// Create a topic
    Create(create::Create),
    /// List topics
    List(list::List),
    /// Show topics with their partitions and settings
    Describe(describe::Describe),
    /// Change a topic's settings, or raise its number of partitions
    Alter(alter::Alter),
    /// Delete topics and all their records
    Delete(delete::Delete),
    /// Drain a topic into one with more partitions
    FanOut(fan_out::FanOut),
}

pub fn run(topic: Topic) -> std::result::Result<(), Failure> {
    match topic {
        Topic::Create(create) => create::run(create),
        Topic::List(list) => list::run(list),
        Topic::Describe(describe) => describe::run(describe),
        Topic::Alter(alter) => alter::run(alter),
        Topic::Delete(delete) => delete::run(delete),
        Topic::FanOut(fan_out) => fan_out::run(fan_out),
    }
}

/// There is no topic of this name.
pub fn missing(name: &str) -> Failure {
    Failure::Told(format!(
        "there is no topic {name} (`ringmain topic list` shows those that exist, `ringmain topic \
         create {name}` makes it)"
    ))
}

/// There is no such partition; `count` are there.
pub fn missing_partition(name: &str, partition: i32, count: usize) -> Failure {
    let those = match count {
        1 => "it has only 0".to_owned(),
        count => format!("it has {count}, 0 to {}", count - 1),
    };
    Failure::Told(format!("topic {name} has no partition {partition}: {those}"))
}

/// `KEY=VALUE` of a setting; the value may be empty.
fn setting(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("a setting is written KEY=VALUE, such as retention.ms=86400000".to_owned()),
    }
}

/// A refusal about one topic, unless there is none. Brokers often name the topic themselves.
fn accepted(
    name: &str,
    code: ErrorCode,
    message: Option<&str>,
) -> std::result::Result<(), Failure> {
    match (code, message) {
        (ErrorCode::NONE, _) => Ok(()),
        (code, Some(said)) if said.contains(name) => Err(format!("{said} ({code})").into()),
        (code, message) => Err(Error::refused(format!("topic {name}"), code, message).into()),
    }
}

/// These topics, or all; partitions' leaders may still be missing right after a topic was made.
async fn metadata(cluster: &Cluster, names: &[String]) -> Result<Metadata> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let scope = if names.is_empty() { Scope::All } else { Scope::Topics(&names) };
    cluster.retry(async || cluster.metadata(scope).await).await
}
