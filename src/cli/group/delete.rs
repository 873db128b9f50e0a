//! `ringmain group delete`.

use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::client::{Cluster, delete_group};
use crate::model::ErrorCode;

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain group delete reports
  ringmain group delete test-1 test-2 --if-exists";

#[derive(Args)]
#[command(about = "Delete groups without members, and what they have committed")]
#[command(after_help = EXAMPLES)]
pub struct Delete {
    /// Groups to delete
    #[arg(required = true)]
    group: Vec<String>,
    /// Groups that do not exist are good enough
    #[arg(long)]
    if_exists: bool,
    /// Print one line of JSON a group
    #[arg(long, short)]
    json: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Serialize)]
struct Line<'a> {
    group: &'a str,
    deleted: bool,
}

pub fn run(args: Delete) -> Result<(), Failure> {
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| delete(cluster, args, output))
}

async fn delete(cluster: Rc<Cluster>, args: Delete, mut output: Output) -> Result<(), Failure> {
    let mut failure = Ok(());
    for group in &args.group {
        let deleted = delete_group(&cluster, group).await;
        let code = deleted.as_ref().err().and_then(|error| error.code());
        let is_missing = code == Some(ErrorCode::GROUP_ID_NOT_FOUND);
        let refused = match deleted {
            Err(_) if is_missing && args.if_exists => Ok(()),
            Err(_) if is_missing => Err(super::missing(group)),
            Err(_) if code == Some(ErrorCode::NON_EMPTY_GROUP) => Err(Failure::Told(format!(
                "group {group} has members: stop its consumers first (`ringmain group describe \
                 {group}` shows them)"
            ))),
            deleted => deleted.map_err(Failure::from),
        };
        match refused {
            Ok(()) if args.json => output.json(&Line { group, deleted: !is_missing }),
            Ok(()) if is_missing => output.line(&format!("group {group} did not exist")),
            Ok(()) => output.line(&format!("group {group} deleted")),
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
