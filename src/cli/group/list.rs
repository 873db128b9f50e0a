//! `ringmain group list`.

use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::table::{Align, Table};
use crate::client::{Cluster, list_groups};

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain group list
  ringmain group list --state stable
  ringmain group list --json | jq -r .group";

#[derive(Args)]
#[command(about = "List consumer groups", after_help = EXAMPLES)]
pub struct List {
    /// Only groups in this state: stable, empty, preparingrebalance, completingrebalance, and of the
    /// new protocol assigning, reconciling
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only groups of this type: classic, consumer (the new protocol)
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// Print one line of JSON a group
    #[arg(long, short)]
    json: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Serialize)]
struct Line<'a> {
    group: &'a str,
    state: &'a str,
    r#type: &'a str,
    protocol_type: &'a str,
    coordinator: i32,
}

pub fn run(args: List) -> Result<(), Failure> {
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| list(cluster, args, output))
}

async fn list(cluster: Rc<Cluster>, args: List, mut output: Output) -> Result<(), Failure> {
    let groups = list_groups(&cluster).await?;
    let fits = |wanted: &Option<String>, found: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
    };
    let mut table = Table::new(&[
        ("GROUP", Align::Left),
        ("STATE", Align::Left),
        ("TYPE", Align::Left),
        ("PROTOCOL", Align::Left),
        ("COORDINATOR", Align::Right),
    ]);
    let mut shown = 0;
    for group in groups.iter() {
        if !fits(&args.state, &group.state) || !fits(&args.r#type, &group.kind) {
            continue;
        }
        shown += 1;
        if args.json {
            output.json(&Line {
                group: &group.name,
                state: &group.state,
                r#type: &group.kind,
                protocol_type: &group.protocol_type,
                coordinator: group.coordinator.0,
            });
        } else {
            table.row(vec![
                group.name.clone(),
                group.state.clone(),
                group.kind.clone(),
                group.protocol_type.clone(),
                group.coordinator.to_string(),
            ]);
        }
    }
    if !args.json && shown > 0 {
        for line in table.lines("") {
            output.line(&line);
        }
    }
    if !args.json && shown == 0 {
        eprintln!("There are no such groups; a consumer makes one by joining it or by committing.");
    }
    output.flush().await
}
