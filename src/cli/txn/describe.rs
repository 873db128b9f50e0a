//! `ringmain txn describe`.

use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::client::{Cluster, Error};
use crate::model::ErrorCode;
use crate::rt;
use crate::wire::messages::describe_transactions::{
    DescribeTransactions, DescribeTransactionsRequest, TransactionState,
};

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain txn describe billing-1
  ringmain txn describe billing-1 billing-2 --json";

#[derive(Args)]
#[command(about = "Show transactional ids with their transactions", after_help = EXAMPLES)]
pub struct Describe {
    /// Transactional ids to show
    #[arg(required = true, value_name = "TRANSACTIONAL_ID")]
    id: Vec<String>,
    /// Print one line of JSON an id
    #[arg(long, short)]
    json: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Serialize)]
struct Line<'a> {
    transactional_id: &'a str,
    state: &'a str,
    producer_id: i64,
    producer_epoch: i16,
    timeout_ms: i32,
    /// `None` when no transaction has begun.
    started_ms: Option<i64>,
    partitions: Vec<String>,
}

pub fn run(args: Describe) -> Result<(), Failure> {
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| describe(cluster, args, output))
}

async fn describe(cluster: Rc<Cluster>, args: Describe, mut output: Output) -> Result<(), Failure> {
    let ids: Vec<&str> = args.id.iter().map(String::as_str).collect();
    let request = DescribeTransactionsRequest { transactional_ids: ids };
    let answer = cluster.call::<DescribeTransactions>(&request).await?;
    let mut failure = Ok(());
    for state in &answer.decode()?.transaction_states {
        let id = state.transactional_id;
        let told = match state.error_code {
            ErrorCode::NONE => Ok(()),
            // No id was ever used here, so there is not even a topic for them.
            ErrorCode::TRANSACTIONAL_ID_NOT_FOUND | ErrorCode::NOT_COORDINATOR => {
                let known = "`ringmain txn list` shows those that are known";
                Err(Failure::Told(format!("there is no transactional id {id} ({known})")))
            }
            code => Err(Error::refused(format!("transactional id {id}"), code, None).into()),
        };
        match told {
            Ok(()) => show(state, args.json, &mut output),
            // The first one is told at the end; the others are shown all the same.
            Err(refusal) if failure.is_ok() => failure = Err(refusal),
            Err(refusal) => {
                refusal.report();
            }
        }
    }
    output.flush().await?;
    failure
}

fn show(state: &TransactionState<'_>, json: bool, output: &mut Output) {
    let started_ms = Some(state.transaction_start_time_ms).filter(|&ms| ms >= 0);
    let places = state.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|number| format!("{}-{number}", topic.topic))
    });
    let partitions: Vec<String> = places.collect();
    if json {
        output.json(&Line {
            transactional_id: state.transactional_id,
            state: state.transaction_state,
            producer_id: state.producer_id,
            producer_epoch: state.producer_epoch,
            timeout_ms: state.transaction_timeout_ms,
            started_ms,
            partitions,
        });
        return;
    }
    output.line(&format!("{}  {}", state.transactional_id, state.transaction_state));
    output.line(&format!(
        "  producer {} epoch {}, time-out {} ms",
        state.producer_id, state.producer_epoch, state.transaction_timeout_ms
    ));
    if let Some(started_ms) = started_ms.filter(|_| state.transaction_state == "Ongoing") {
        let seconds = rt::unix_ms().saturating_sub(started_ms) / 1000;
        output.line(&format!("  under way for {seconds} s"));
    }
    for partition in partitions {
        output.line(&format!("  {partition}"));
    }
}
