//! `ringmain txn find-hanging`: transactions that are under way in a partition, while no coordinator
//! knows of them. Readers of what is committed wait behind them for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use super::producers::{self, Open};
use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::table::{Align, Table};
use crate::client::{Cluster, Error, Result, Scope};
use crate::rt;
use crate::wire::messages::describe_transactions::{
    DescribeTransactions, DescribeTransactionsRequest,
};
use crate::wire::messages::list_transactions::{ListTransactions, ListTransactionsRequest};

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain txn find-hanging
  ringmain txn find-hanging --topic orders --older-than 60

What it finds, `ringmain txn abort` ends.";

#[derive(Args)]
#[command(about = "Find transactions that hold up readers and that nobody will end")]
#[command(after_help = EXAMPLES)]
pub struct FindHanging {
    /// Only in this topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only in this partition
    #[arg(long, value_name = "NUMBER", requires = "topic")]
    partition: Option<i32>,
    /// Only transactions in which nothing was written for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    older_than: u32,
    /// Print one line of JSON a transaction
    #[arg(long, short)]
    json: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    partition: i32,
    producer_id: i64,
    producer_epoch: i32,
    coordinator_epoch: i32,
    start_offset: i64,
    last_timestamp: i64,
}

pub fn run(args: FindHanging) -> std::result::Result<(), Failure> {
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| find(cluster, args, output))
}

async fn find(
    cluster: Rc<Cluster>,
    args: FindHanging,
    mut output: Output,
) -> std::result::Result<(), Failure> {
    let (topic, only) = (args.topic.as_deref(), args.partition);
    let found = cluster
        .retry(async || {
            let places = producers::places(&cluster, topic, only).await?;
            let mut open = producers::open(&cluster, &places).await?;
            let last = rt::unix_ms().saturating_sub(i64::from(args.older_than) * 1000);
            open.retain(|it| it.last_timestamp <= last);
            let known = known(&cluster, &open).await?;
            open.retain(|it| !known.contains(&(it.producer_id, it.topic.clone(), it.partition)));
            Ok(open)
        })
        .await?;
    let mut table = Table::new(&[
        ("TOPIC", Align::Left),
        ("PARTITION", Align::Right),
        ("PRODUCER", Align::Right),
        ("EPOCH", Align::Right),
        ("START OFFSET", Align::Right),
        ("SILENT FOR", Align::Right),
    ]);
    for it in &found {
        if args.json {
            output.json(&Line {
                topic: &it.topic,
                partition: it.partition,
                producer_id: it.producer_id,
                producer_epoch: it.producer_epoch,
                coordinator_epoch: it.coordinator_epoch,
                start_offset: it.start_offset,
                last_timestamp: it.last_timestamp,
            });
        } else {
            table.row(row(it));
        }
    }
    if !args.json && !found.is_empty() {
        for line in table.lines("") {
            output.line(&line);
        }
    }
    if !args.json && found.is_empty() {
        eprintln!("No transaction hangs.");
    }
    output.flush().await
}

fn row(it: &Open) -> Vec<String> {
    let silent_s = rt::unix_ms().saturating_sub(it.last_timestamp) / 1000;
    vec![
        it.topic.clone(),
        it.partition.to_string(),
        it.producer_id.to_string(),
        it.producer_epoch.to_string(),
        it.start_offset.to_string(),
        format!("{silent_s} s"),
    ]
}

/// Partitions that coordinators count among the transactions under way of these producers: those
/// will be ended.
async fn known(cluster: &Cluster, open: &[Open]) -> Result<BTreeSet<(i64, String, i32)>> {
    let mut known = BTreeSet::new();
    let ids: BTreeSet<i64> = open.iter().map(|it| it.producer_id).collect();
    if ids.is_empty() {
        return Ok(known);
    }
    let request = ListTransactionsRequest {
        producer_id_filters: ids.into_iter().collect(),
        ..Default::default()
    };
    let mut producers = BTreeMap::new();
    for &broker in cluster.metadata(Scope::None).await?.brokers.keys() {
        let connection = cluster.broker(broker).await?;
        let answer = connection.call::<ListTransactions>(&request).await?;
        let response = answer.decode()?;
        if !response.error_code.is_none() {
            let peer = connection.peer().to_string();
            return Err(Error::refused(peer, response.error_code, None));
        }
        for it in &response.transaction_states {
            producers.insert(it.transactional_id.to_owned(), it.producer_id);
        }
    }
    let transactional_ids = producers.keys().map(String::as_str).collect();
    let request = DescribeTransactionsRequest { transactional_ids };
    let answer = cluster.call::<DescribeTransactions>(&request).await?;
    for state in &answer.decode()?.transaction_states {
        let under_way = ["Ongoing", "PrepareCommit", "PrepareAbort"];
        if state.error_code.is_none() && under_way.contains(&state.transaction_state) {
            for topic in &state.topics {
                let numbers = topic.partitions.iter();
                let place = |&number| (state.producer_id, topic.topic.to_owned(), number);
                known.extend(numbers.map(place));
            }
        }
    }
    Ok(known)
}
