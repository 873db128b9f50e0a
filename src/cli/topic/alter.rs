//! `ringmain topic alter`.

use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use super::setting;
use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::units;
use crate::client::{Cluster, Scope};
use crate::model::ErrorCode;
use crate::wire::messages::create_partitions::{
    CreatePartitions, CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigs, IncrementalAlterConfigsRequest,
};

/// The kind of resource that is a topic, and what may be done to a setting (KIP-339).
const TOPIC: i8 = 2;
const SET: i8 = 0;
const DELETE: i8 = 1;

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain topic alter orders --set retention.ms=86400000
  ringmain topic alter orders --set ringmain.durability=synced --delete retention.ms
  ringmain topic alter orders --partitions 16";

#[derive(Args)]
#[command(
    about = "Change a topic's settings, or raise its number of partitions",
    after_help = EXAMPLES
)]
pub struct Alter {
    /// Topic to change
    name: String,
    /// Give a setting a value; may be given several times (docs/config.md lists them)
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Put a setting back to its default; may be given several times
    #[arg(long, short, value_name = "KEY")]
    delete: Vec<String>,
    /// Raise the number of partitions to this; keys then go to other partitions than before
    #[arg(long, short, value_name = "N", value_parser = units::positive::<i32>, allow_negative_numbers = true)]
    partitions: Option<i32>,
    /// Only say whether it could be changed
    #[arg(long)]
    dry_run: bool,
    /// Print one line of JSON
    #[arg(long, short)]
    json: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    changed: bool,
}

pub fn run(args: Alter) -> Result<(), Failure> {
    if args.set.is_empty() && args.delete.is_empty() && args.partitions.is_none() {
        return Err(Failure::Usage(
            "nothing to change: give --set KEY=VALUE, --delete KEY or --partitions N".to_owned(),
        ));
    }
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| alter(cluster, args, output))
}

async fn alter(cluster: Rc<Cluster>, args: Alter, mut output: Output) -> Result<(), Failure> {
    // What is asked about a topic that does not exist differs from broker to broker.
    let metadata = cluster.metadata(Scope::Topics(&[&args.name])).await?;
    let found = metadata.topics.get(&args.name).map(|topic| topic.error);
    if found.is_none_or(|code| code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) {
        return Err(super::missing(&args.name));
    }
    if !args.set.is_empty() || !args.delete.is_empty() {
        change_settings(&cluster, &args).await?;
    }
    if let Some(count) = args.partitions {
        raise_partitions(&cluster, &args, count).await?;
    }
    if args.json {
        output.json(&Line { name: &args.name, changed: !args.dry_run });
    } else {
        let what = if args.dry_run { "could be changed" } else { "changed" };
        output.line(&format!("topic {} {what}", args.name));
    }
    output.flush().await
}

async fn change_settings(cluster: &Cluster, args: &Alter) -> Result<(), Failure> {
    let set = args.set.iter().map(|(name, value)| AlterableConfig {
        name,
        config_operation: SET,
        value: Some(value),
    });
    let delete = args.delete.iter().map(|name| AlterableConfig {
        name,
        config_operation: DELETE,
        value: None,
    });
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: &args.name,
            configs: set.chain(delete).collect(),
        }],
        validate_only: args.dry_run,
    };
    let answer = cluster.call::<IncrementalAlterConfigs>(&request).await?;
    for result in &answer.decode()?.responses {
        super::accepted(&args.name, result.error_code, result.error_message)?;
    }
    Ok(())
}

async fn raise_partitions(cluster: &Cluster, args: &Alter, count: i32) -> Result<(), Failure> {
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic { name: &args.name, count, assignments: None }],
        timeout_ms: cluster.options().request_timeout.as_millis() as i32,
        validate_only: args.dry_run,
    };
    let answer = cluster.call::<CreatePartitions>(&request).await?;
    for result in &answer.decode()?.results {
        super::accepted(&args.name, result.error_code, result.error_message)?;
    }
    Ok(())
}
