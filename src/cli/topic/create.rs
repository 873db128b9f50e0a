//! `ringmain topic create`.

use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use super::setting;
use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::units;
use crate::client::Cluster;
use crate::model::ErrorCode;
use crate::wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopics, CreateTopicsRequest,
};

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain topic create orders
  ringmain topic create orders --partitions 8
  ringmain topic create clicks --config retention.ms=3600000 --config ringmain.durability=written
  ringmain topic create users --config cleanup.policy=compact --if-not-exists";

#[derive(Args)]
#[command(about = "Create a topic", after_help = EXAMPLES)]
pub struct Create {
    /// Letters, digits, '.', '_' and '-'
    name: String,
    /// Number of partitions [default: the broker's num.partitions]
    #[arg(long, short, value_name = "N", value_parser = units::positive::<i32>, allow_negative_numbers = true)]
    partitions: Option<i32>,
    /// Replicas of each partition [default: the broker's default.replication.factor]
    #[arg(long, short, value_name = "N", value_parser = units::positive::<i16>, allow_negative_numbers = true)]
    replication: Option<i16>,
    /// A setting of the topic; may be given several times (docs/config.md lists them)
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = setting)]
    config: Vec<(String, String)>,
    /// A topic of this name that exists already is good enough
    #[arg(long)]
    if_not_exists: bool,
    /// Only say whether it could be created
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
    id: Option<String>,
    created: bool,
    partitions: Option<i32>,
    replication: Option<i16>,
}

pub fn run(args: Create) -> Result<(), Failure> {
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| create(cluster, args, output))
}

async fn create(cluster: Rc<Cluster>, args: Create, mut output: Output) -> Result<(), Failure> {
    let name = args.name.as_str();
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name,
            num_partitions: args.partitions.unwrap_or(-1),
            replication_factor: args.replication.unwrap_or(-1),
            assignments: Vec::new(),
            configs: args
                .config
                .iter()
                .map(|(key, value)| CreatableTopicConfig { name: key, value: Some(value) })
                .collect(),
        }],
        timeout_ms: cluster.options().request_timeout.as_millis() as i32,
        validate_only: args.dry_run,
    };
    let answer = cluster.call::<CreateTopics>(&request).await?;
    let response = answer.decode()?;
    let result =
        response.topics.first().ok_or("the broker answered without a word on the topic")?;
    let exists = result.error_code == ErrorCode::TOPIC_ALREADY_EXISTS;
    if exists && !args.if_not_exists {
        return Err(format!("topic {name} exists already (--if-not-exists accepts that)").into());
    }
    if !exists {
        super::accepted(name, result.error_code, result.error_message)?;
    }
    let known = |number: i32| (number > 0).then_some(number);
    let line = Line {
        name,
        id: (!result.topic_id.is_nil()).then(|| result.topic_id.to_string()),
        created: !exists && !args.dry_run,
        partitions: known(result.num_partitions),
        replication: known(result.replication_factor.into()).map(|_| result.replication_factor),
    };
    if args.json {
        output.json(&line);
    } else {
        let what = match (exists, args.dry_run) {
            (true, _) => "exists already",
            (false, true) => "could be created",
            (false, false) => "created",
        };
        let size = match (line.partitions, line.replication) {
            (Some(partitions), Some(replication)) if !exists => {
                let partitions = units::counted(partitions as u64, "partition");
                format!(" with {partitions}, replication {replication}")
            }
            _ => String::new(),
        };
        output.line(&format!("topic {name} {what}{size}"));
    }
    output.flush().await
}
