//! `ringmain topic delete`.

use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::client::Cluster;
use crate::model::ErrorCode;
use crate::wire::messages::delete_topics::{DeleteTopicState, DeleteTopics, DeleteTopicsRequest};

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain topic delete orders
  ringmain topic delete test-1 test-2 --if-exists";

#[derive(Args)]
#[command(about = "Delete topics and all their records", after_help = EXAMPLES)]
pub struct Delete {
    /// Topics to delete
    #[arg(required = true)]
    name: Vec<String>,
    /// Topics that do not exist are good enough
    #[arg(long)]
    if_exists: bool,
    /// Print one line of JSON a topic
    #[arg(long, short)]
    json: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    deleted: bool,
}

pub fn run(args: Delete) -> Result<(), Failure> {
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| delete(cluster, args, output))
}

async fn delete(cluster: Rc<Cluster>, args: Delete, mut output: Output) -> Result<(), Failure> {
    let mut names: Vec<&str> = args.name.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let named = |&name| DeleteTopicState { name: Some(name), ..Default::default() };
    let request = DeleteTopicsRequest {
        topics: names.iter().map(named).collect(),
        topic_names: names.clone(),
        timeout_ms: cluster.options().request_timeout.as_millis() as i32,
    };
    let answer = cluster.call::<DeleteTopics>(&request).await?;
    let response = answer.decode()?;
    let mut failure = Ok(());
    for result in &response.responses {
        let name = result.name.unwrap_or("?");
        let missing = result.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let refused = match missing {
            true if args.if_exists => Ok(()),
            true => Err(super::missing(name)),
            false => super::accepted(name, result.error_code, result.error_message),
        };
        match refused {
            Ok(()) if args.json => output.json(&Line { name, deleted: !missing }),
            Ok(()) if missing => output.line(&format!("topic {name} did not exist")),
            Ok(()) => output.line(&format!("topic {name} deleted")),
            // The first one is told at the end; the others are done all the same.
            Err(refusal) if failure.is_ok() => failure = Err(refusal),
            Err(refusal) => {
                refusal.report();
            }
        }
    }
    output.flush().await?;
    failure
}
