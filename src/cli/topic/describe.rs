//! `ringmain topic describe`: everything that is known of topics, gathered from all their leaders.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use super::metadata;
use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::table::{Align, Table};
use crate::cli::units;
use crate::client::{Cluster, Isolation, Metadata, Result, Topic, list_offsets};
use crate::model::{BrokerId, ErrorCode, Offset};
use crate::wire::messages::describe_configs::{
    DescribeConfigs, DescribeConfigsRequest, DescribeConfigsResource,
};
use crate::wire::messages::describe_log_dirs::{DescribeLogDirs, DescribeLogDirsRequest};
use crate::wire::messages::list_offsets::{EARLIEST, LATEST};

/// The kind of resource that is a topic (KIP-339).
const TOPIC: i8 = 2;
/// Where a setting's value comes from (KIP-226).
const FROM_TOPIC: i8 = 1;
const FROM_DEFAULT: i8 = 5;

/// Always shown: what an acknowledgement of this topic means.
const DURABILITY: &str = "ringmain.durability";

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain topic describe orders
  ringmain topic describe --json | jq '.name, .partitions[].end_offset'";

#[derive(Args)]
#[command(about = "Show topics with their partitions and settings", after_help = EXAMPLES)]
pub struct Describe {
    /// Topics to show [default: all but internal ones]
    name: Vec<String>,
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
    /// Settings that are not at their default, and what acknowledgements mean.
    settings: &'a BTreeMap<String, Setting>,
    partitions: Vec<PartitionLine>,
}

#[derive(Serialize)]
struct Setting {
    value: String,
    source: &'static str,
}

#[derive(Serialize)]
struct PartitionLine {
    partition: i32,
    leader: Option<i32>,
    leader_epoch: i32,
    replicas: Vec<i32>,
    in_sync: Vec<i32>,
    offline: Vec<i32>,
    start_offset: Option<Offset>,
    end_offset: Option<Offset>,
    size_bytes: Option<i64>,
    /// The leader's data directory, and the one that it moves to.
    directory: Option<String>,
    moves_to: Option<String>,
}

/// What a broker has of a partition.
#[derive(Clone, Default)]
struct Held {
    bytes: Option<i64>,
    directory: Option<String>,
    moves_to: Option<String>,
}

/// By topic and number, then by broker.
type Holdings = BTreeMap<(String, i32), BTreeMap<BrokerId, Held>>;

pub fn run(args: Describe) -> std::result::Result<(), Failure> {
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| describe(cluster, args, output))
}

async fn describe(
    cluster: Rc<Cluster>,
    args: Describe,
    mut output: Output,
) -> std::result::Result<(), Failure> {
    let metadata = metadata(&cluster, &args.name).await?;
    let all = args.name.is_empty();
    let shown = metadata.topics.iter().filter(|(_, topic)| !(all && topic.is_internal));
    let mut topics = Vec::new();
    for (name, topic) in shown {
        if topic.error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
            return Err(super::missing(name));
        }
        super::accepted(name, topic.error, None)?;
        topics.push((name.as_str(), topic));
    }
    let mut settings = settings(&cluster, &topics).await?;
    let (holdings, has_several) = holdings(&cluster, &metadata).await?;
    for (place, (name, topic)) in topics.iter().enumerate() {
        let partitions = partitions(&cluster, name, topic, &holdings).await;
        let settings = settings.remove(*name).unwrap_or_default();
        let (id, internal) = (topic.id.to_string(), topic.is_internal);
        let line = Line { name, id, internal, settings: &settings, partitions };
        if args.json {
            output.json(&line);
        } else {
            if place > 0 {
                output.line("");
            }
            print(&line, has_several, &mut output);
        }
        output.flush().await?;
    }
    if topics.is_empty() && !args.json {
        eprintln!("There are no topics yet; `ringmain topic create NAME` makes one.");
    }
    Ok(())
}

fn print(line: &Line<'_>, with_directories: bool, output: &mut Output) {
    let count = units::counted(line.partitions.len() as u64, "partition");
    let replicas = line.partitions.iter().map(|partition| partition.replicas.len());
    let replication = replicas.max().unwrap_or(0);
    let internal = if line.internal { ", internal" } else { "" };
    output.line(&format!("{}: {count}, replication {replication}{internal}", line.name));
    output.line(&format!("  id {}", line.id));
    let width = line.settings.keys().map(String::len).max().unwrap_or(0);
    for (key, Setting { value, source }) in line.settings {
        output.line(&format!("  {key:<width$}  {value}  ({source})"));
    }
    let mut columns = vec![
        ("PARTITION", Align::Right),
        ("LEADER", Align::Right),
        ("EPOCH", Align::Right),
        ("REPLICAS", Align::Left),
        ("IN SYNC", Align::Left),
        ("START", Align::Right),
        ("END", Align::Right),
        ("SIZE", Align::Right),
    ];
    if with_directories {
        columns.push(("DIRECTORY", Align::Left));
    }
    let mut table = Table::new(&columns);
    let known = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    let list = |ids: &[i32]| {
        let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
        if ids.is_empty() { "-".to_owned() } else { ids.join(",") }
    };
    for partition in &line.partitions {
        let size = partition.size_bytes.map(|size| units::bytes(size.max(0) as u64));
        let mut row = vec![
            partition.partition.to_string(),
            partition.leader.map_or("none".to_owned(), |leader| leader.to_string()),
            partition.leader_epoch.to_string(),
            list(&partition.replicas),
            list(&partition.in_sync),
            known(partition.start_offset),
            known(partition.end_offset),
            size.unwrap_or_else(|| "-".to_owned()),
        ];
        if with_directories {
            let directory = partition.directory.as_deref().unwrap_or("-");
            row.push(match &partition.moves_to {
                Some(to) => format!("{directory}, moving to {to}"),
                None => directory.to_owned(),
            });
        }
        table.row(row);
    }
    for row in table.lines("  ") {
        output.line(&row);
    }
}

/// By topic: what differs from the default, and the durability.
async fn settings(
    cluster: &Cluster,
    topics: &[(&str, &Topic)],
) -> std::result::Result<BTreeMap<String, BTreeMap<String, Setting>>, Failure> {
    let resource = |&(name, _): &(&'_ str, &Topic)| name.to_owned();
    let names: Vec<String> = topics.iter().map(resource).collect();
    let request = DescribeConfigsRequest {
        resources: names
            .iter()
            .map(|name| DescribeConfigsResource {
                resource_type: TOPIC,
                resource_name: name,
                configuration_keys: None,
            })
            .collect(),
        ..Default::default()
    };
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let answer = cluster.call::<DescribeConfigs>(&request).await?;
    let response = answer.decode()?;
    let mut found = BTreeMap::new();
    for result in &response.results {
        super::accepted(result.resource_name, result.error_code, result.error_message)?;
        let shown = |source: i8, name: &str| source != FROM_DEFAULT || name == DURABILITY;
        let configs = result.configs.iter();
        let configs = configs.filter(|config| shown(config.config_source, config.name));
        let setting = |source, value: Option<&str>| Setting {
            value: value.unwrap_or("(hidden)").to_owned(),
            source: match source {
                FROM_TOPIC => "the topic's",
                FROM_DEFAULT => "default",
                _ => "the broker's",
            },
        };
        let configs = configs
            .map(|config| (config.name.to_owned(), setting(config.config_source, config.value)));
        found.insert(result.resource_name.to_owned(), configs.collect());
    }
    Ok(found)
}

/// Asks every broker what it holds, and in which directories; and whether any has several. One that
/// cannot be asked just tells nothing.
async fn holdings(cluster: &Cluster, metadata: &Metadata) -> Result<(Holdings, bool)> {
    let leaders = metadata.topics.values().flat_map(|topic| &topic.partitions);
    let leaders: BTreeSet<BrokerId> = leaders.filter_map(|partition| partition.leader).collect();
    let (mut holdings, mut has_several) = (Holdings::new(), false);
    for broker in leaders {
        let Ok(connection) = cluster.broker(broker).await else { continue };
        let request = DescribeLogDirsRequest { topics: None };
        let Ok(answer) = connection.call::<DescribeLogDirs>(&request).await else { continue };
        let response = answer.decode()?;
        has_several |= response.results.len() > 1;
        for directory in &response.results {
            for topic in &directory.topics {
                for partition in &topic.partitions {
                    let held = holdings.entry((topic.name.to_owned(), partition.partition_index));
                    let held = held.or_default().entry(broker).or_default();
                    let name = Some(directory.log_dir.to_owned());
                    if partition.is_future_key {
                        held.moves_to = name;
                    } else {
                        (held.bytes, held.directory) = (Some(partition.partition_size), name);
                    }
                }
            }
        }
    }
    Ok((holdings, has_several))
}

async fn partitions(
    cluster: &Cluster,
    name: &str,
    topic: &Topic,
    holdings: &Holdings,
) -> Vec<PartitionLine> {
    let led = topic.partitions.iter().filter(|partition| partition.leader.is_some());
    let led: Vec<i32> = led.map(|partition| partition.index).collect();
    let ask = async |time: i64| {
        let wanted: Vec<(i32, i64)> = led.iter().map(|&index| (index, time)).collect();
        let found = list_offsets(cluster, name, topic, &wanted, Isolation::ReadUncommitted).await;
        // A leader that does not answer leaves a gap in the table, nothing worse.
        found.unwrap_or_default()
    };
    let (starts, ends) = (ask(EARLIEST).await, ask(LATEST).await);
    let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect();
    let line = |partition: &crate::client::Partition| {
        let held = holdings.get(&(name.to_owned(), partition.index));
        let held = held.and_then(|held| held.get(&partition.leader?).cloned());
        let Held { bytes, directory, moves_to } = held.unwrap_or_default();
        PartitionLine {
            partition: partition.index,
            leader: partition.leader.map(|leader| leader.0),
            leader_epoch: partition.leader_epoch.0,
            replicas: ids(&partition.replicas),
            in_sync: ids(&partition.in_sync),
            offline: ids(&partition.offline),
            start_offset: starts.get(&partition.index).map(|at| at.offset),
            end_offset: ends.get(&partition.index).map(|at| at.offset),
            size_bytes: bytes,
            directory,
            moves_to,
        }
    };
    topic.partitions.iter().map(line).collect()
}
