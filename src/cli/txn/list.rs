//! `ringmain txn list`.

use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::table::{Align, Table};
use crate::client::{Cluster, Error, Result, Scope};
use crate::wire::messages::list_transactions::{ListTransactions, ListTransactionsRequest};

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain txn list
  ringmain txn list --state Ongoing --longer-than 60000
  ringmain txn list --pattern 'billing-.*' --json | jq -r .transactional_id";

#[derive(Args)]
#[command(about = "List transactional ids", after_help = EXAMPLES)]
pub struct List {
    /// Only those in this state, such as Ongoing or CompleteCommit; may be given several times
    #[arg(long, value_name = "STATE")]
    state: Vec<String>,
    /// Only those of this producer; may be given several times
    #[arg(long, value_name = "ID")]
    producer_id: Vec<i64>,
    /// Only those whose transaction has lasted longer
    #[arg(long, value_name = "MILLISECONDS")]
    longer_than: Option<i64>,
    /// Only ids that this regular expression matches as a whole
    #[arg(long, value_name = "REGEX")]
    pattern: Option<String>,
    /// Print one line of JSON an id
    #[arg(long, short)]
    json: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    transactional_id: String,
    producer_id: i64,
    state: String,
    coordinator: i32,
}

pub fn run(args: List) -> std::result::Result<(), Failure> {
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| list(cluster, args, output))
}

async fn list(
    cluster: Rc<Cluster>,
    args: List,
    mut output: Output,
) -> std::result::Result<(), Failure> {
    let request = ListTransactionsRequest {
        state_filters: args.state.iter().map(String::as_str).collect(),
        producer_id_filters: args.producer_id.clone(),
        duration_filter: args.longer_than.unwrap_or(-1),
        transactional_id_pattern: args.pattern.as_deref(),
    };
    let lines = cluster.retry(async || every_broker(&cluster, &request).await).await?;
    let mut table = Table::new(&[
        ("TRANSACTIONAL ID", Align::Left),
        ("PRODUCER", Align::Right),
        ("STATE", Align::Left),
        ("COORDINATOR", Align::Right),
    ]);
    for line in &lines {
        if args.json {
            output.json(line);
        } else {
            let Line { transactional_id, producer_id, state, coordinator } = line;
            let (producer, coordinator) = (producer_id.to_string(), coordinator.to_string());
            table.row(vec![transactional_id.clone(), producer, state.clone(), coordinator]);
        }
    }
    if !args.json && !lines.is_empty() {
        for line in table.lines("") {
            output.line(&line);
        }
    }
    if !args.json && lines.is_empty() {
        eprintln!("There are no such transactional ids.");
    }
    output.flush().await
}

/// Each broker tells of the ids it coordinates.
async fn every_broker(
    cluster: &Cluster,
    request: &ListTransactionsRequest<'_>,
) -> Result<Vec<Line>> {
    let brokers = cluster.metadata(Scope::None).await?.brokers;
    let mut lines = Vec::new();
    for &id in brokers.keys() {
        let connection = cluster.broker(id).await?;
        let answer = connection.call::<ListTransactions>(request).await?;
        let response = answer.decode()?;
        if !response.error_code.is_none() {
            let peer = connection.peer().to_string();
            return Err(Error::refused(peer, response.error_code, None));
        }
        if let Some(unknown) = response.unknown_state_filters.first() {
            let subject = format!("state {unknown:?}");
            let code = crate::model::ErrorCode::INVALID_REQUEST;
            let said = "no transaction has such a state: Empty, Ongoing, PrepareCommit, \
                        PrepareAbort, CompleteCommit and CompleteAbort are there";
            return Err(Error::refused(subject, code, Some(said)));
        }
        lines.extend(response.transaction_states.iter().map(|it| Line {
            transactional_id: it.transactional_id.to_owned(),
            producer_id: it.producer_id,
            state: it.transaction_state.to_owned(),
            coordinator: id.0,
        }));
    }
    lines.sort_unstable();
    Ok(lines)
}
