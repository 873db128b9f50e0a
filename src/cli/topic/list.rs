//! `ringmain topic list`.

use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use super::metadata;
use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::table::{Align, Table};
use crate::client::Cluster;

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain topic list
  ringmain topic list --json | jq -r .name";

#[derive(Args)]
#[command(about = "List topics", after_help = EXAMPLES)]
pub struct List {
    /// Also those that the cluster keeps for itself
    #[arg(long)]
    internal: bool,
    /// Print one line of JSON a topic
    #[arg(long, short)]
    json: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    id: String,
    internal: bool,
    partitions: usize,
    replication: usize,
}

pub fn run(args: List) -> Result<(), Failure> {
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| list(cluster, args, output))
}

async fn list(cluster: Rc<Cluster>, args: List, mut output: Output) -> Result<(), Failure> {
    let metadata = metadata(&cluster, &[]).await?;
    let mut table = Table::new(&[
        ("TOPIC", Align::Left),
        ("PARTITIONS", Align::Right),
        ("REPLICATION", Align::Right),
    ]);
    let mut shown = 0;
    for (name, topic) in &metadata.topics {
        if topic.is_internal && !args.internal {
            continue;
        }
        shown += 1;
        let partitions = topic.partitions.len();
        let replication = topic.partitions.iter().map(|partition| partition.replicas.len());
        let replication = replication.max().unwrap_or(0);
        if args.json {
            let (id, internal) = (topic.id.to_string(), topic.is_internal);
            output.json(&Line { name, id, internal, partitions, replication });
        } else {
            table.row(vec![name.clone(), partitions.to_string(), replication.to_string()]);
        }
    }
    if !args.json && shown > 0 {
        for line in table.lines("") {
            output.line(&line);
        }
    }
    if !args.json && shown == 0 {
        eprintln!("There are no topics yet; `ringmain topic create NAME` makes one.");
    }
    output.flush().await
}
