//! `ringmain group describe`: members, what each reads, and how far behind that is.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use super::idle;
use super::lag::{Lag, ago, lags};
use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::table::{Align, Table};
use crate::cli::units;
use crate::client::{
    Cluster, Group, GroupMember, Metadata, Scope, committed, describe_group, list_groups,
};
use crate::model::{BrokerId, Offset};
use crate::rt;

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain group describe reports
  ringmain group describe --json | jq '.group, .lag'";

#[derive(Args)]
#[command(about = "Show groups with their members, and how far behind they are")]
#[command(after_help = EXAMPLES)]
pub struct Describe {
    /// Groups to show [default: all]
    group: Vec<String>,
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
    assignor: &'a str,
    /// Of groups of the new protocol: of their members, and of what was shared out for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment_epoch: Option<i32>,
    coordinator: i32,
    members: Vec<MemberLine<'a>>,
    partitions: Vec<PartitionLine<'a>>,
    /// Records that wait, of all partitions with something committed.
    lag: i64,
}

#[derive(Serialize)]
struct MemberLine<'a> {
    member: &'a str,
    instance: Option<&'a str>,
    client_id: &'a str,
    host: &'a str,
    partitions: usize,
    /// Of members of the new protocol: how far it has followed the group, and what it is to have
    /// then beyond what it has, and no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_take: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_give_up: Option<usize>,
    /// Why it has none.
    reason: Option<String>,
}

#[derive(Serialize)]
struct PartitionLine<'a> {
    topic: &'a str,
    partition: i32,
    committed: Option<Offset>,
    end: Option<Offset>,
    lag: Option<i64>,
    lag_seconds: Option<f64>,
    member: Option<&'a str>,
}

pub fn run(args: Describe) -> Result<(), Failure> {
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| describe(cluster, args, output))
}

async fn describe(cluster: Rc<Cluster>, args: Describe, mut output: Output) -> Result<(), Failure> {
    let names = match args.group.is_empty() {
        true => list_groups(&cluster).await?.into_iter().map(|group| group.name).collect(),
        false => args.group.clone(),
    };
    let metadata = cluster.retry(async || cluster.metadata(Scope::All).await).await?;
    for (place, name) in names.iter().enumerate() {
        let (coordinator, group) = describe_group(&cluster, name).await?;
        let committed = committed(&cluster, name).await?;
        if group.state == super::DEAD && committed.is_empty() {
            return Err(super::missing(name));
        }
        let owners = owners(&group);
        let wanted: BTreeSet<(String, i32)> =
            owners.keys().cloned().chain(committed.keys().cloned()).collect();
        let wanted: Vec<(String, i32)> = wanted.into_iter().collect();
        let lags =
            cluster.retry(async || lags(&cluster, &metadata, &wanted, &committed).await).await?;
        let line = line(name, coordinator, &group, &metadata, &owners, &lags);
        if args.json {
            output.json(&line);
        } else {
            if place > 0 {
                output.line("");
            }
            print(&line, &mut output);
        }
        output.flush().await?;
    }
    if names.is_empty() && !args.json {
        eprintln!("There are no groups; a consumer makes one by joining it or by committing.");
    }
    Ok(())
}

/// Who reads which partition.
fn owners(group: &Group) -> BTreeMap<(String, i32), &GroupMember> {
    let members = group.members.iter();
    let has = members.flat_map(|member| member.assigned.iter().map(move |place| (place, member)));
    has.map(|(place, member)| (place.clone(), member)).collect()
}

fn line<'a>(
    name: &'a str,
    coordinator: BrokerId,
    group: &'a Group,
    metadata: &Metadata,
    owners: &BTreeMap<(String, i32), &'a GroupMember>,
    lags: &'a BTreeMap<(String, i32), Lag>,
) -> Line<'a> {
    let now_ms = rt::unix_ms();
    let member = |member: &'a GroupMember| {
        let partitions = owners.values().filter(|owner| owner.id == member.id).count();
        MemberLine {
            member: &member.id,
            instance: member.instance.as_deref(),
            client_id: &member.client_id,
            host: &member.host,
            partitions,
            epoch: member.epoch,
            to_take: member.epoch.map(|_| beyond(&member.target, &member.assigned)),
            to_give_up: member.epoch.map(|_| beyond(&member.assigned, &member.target)),
            reason: (partitions == 0).then(|| idle::reason(group, member, metadata)),
        }
    };
    let partition = |((topic, partition), lag): (&'a (String, i32), &Lag)| {
        let since = lag.waits_since_ms.map(|since_ms| (now_ms - since_ms).max(0));
        let nothing = lag.records() == Some(0);
        PartitionLine {
            topic,
            partition: *partition,
            committed: lag.committed,
            end: lag.end,
            lag: lag.records(),
            lag_seconds: if nothing { Some(0.0) } else { since.map(|ms| ms as f64 / 1000.0) },
            member: owners.get(&(topic.clone(), *partition)).map(|owner| owner.id.as_str()),
        }
    };
    let partitions: Vec<PartitionLine<'a>> = lags.iter().map(partition).collect();
    Line {
        group: name,
        state: &group.state,
        r#type: group.kind.name(),
        epoch: group.epochs.map(|epochs| epochs.0),
        assignment_epoch: group.epochs.map(|epochs| epochs.1),
        protocol_type: &group.protocol_type,
        assignor: &group.protocol,
        coordinator: coordinator.0,
        members: group.members.iter().map(member).collect(),
        lag: partitions.iter().filter_map(|one| one.lag).sum(),
        partitions,
    }
}

/// How many of the first the second has not.
fn beyond(these: &[(String, i32)], those: &[(String, i32)]) -> usize {
    these.iter().filter(|place| !those.contains(place)).count()
}

fn print(line: &Line<'_>, output: &mut Output) {
    let assignor = match line.assignor {
        "" => String::new(),
        assignor => format!(", shares by {assignor}"),
    };
    let epochs = match (line.epoch, line.assignment_epoch) {
        (Some(epoch), Some(shared)) if epoch == shared => format!(", epoch {epoch}"),
        (Some(epoch), Some(shared)) => format!(", epoch {epoch}, shared out for {shared}"),
        _ => String::new(),
    };
    output.line(&format!(
        "{}: {}{epochs}, {}{assignor}, {} behind, coordinated by broker {}",
        line.group,
        line.state,
        units::counted(line.members.len() as u64, "member"),
        units::counted(line.lag.max(0) as u64, "record"),
        line.coordinator
    ));
    let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    if !line.partitions.is_empty() {
        let mut table = Table::new(&[
            ("TOPIC", Align::Left),
            ("PARTITION", Align::Right),
            ("COMMITTED", Align::Right),
            ("END", Align::Right),
            ("LAG", Align::Right),
            ("WAITS", Align::Right),
            ("MEMBER", Align::Left),
        ]);
        for one in &line.partitions {
            table.row(vec![
                one.topic.to_owned(),
                one.partition.to_string(),
                dash(one.committed.map(|offset| offset.to_string())),
                dash(one.end.map(|offset| offset.to_string())),
                dash(one.lag.map(|lag| lag.to_string())),
                dash(one.lag_seconds.map(|seconds| ago((seconds * 1000.0) as i64))),
                dash(one.member.map(str::to_owned)),
            ]);
        }
        table.lines("  ").iter().for_each(|line| output.line(line));
    }
    if !line.members.is_empty() {
        let mut columns = vec![
            ("MEMBER", Align::Left),
            ("INSTANCE", Align::Left),
            ("CLIENT", Align::Left),
            ("HOST", Align::Left),
        ];
        // Only the new protocol has them.
        let with_epochs = line.epoch.is_some();
        if with_epochs {
            columns.push(("EPOCH", Align::Right));
        }
        columns.push(("PARTITIONS", Align::Left));
        let mut table = Table::new(&columns);
        for one in &line.members {
            let mut cells = vec![
                one.member.to_owned(),
                dash(one.instance.map(str::to_owned)),
                one.client_id.to_owned(),
                one.host.to_owned(),
            ];
            if with_epochs {
                cells.push(dash(one.epoch.map(|epoch| epoch.to_string())));
            }
            cells.push(part(one));
            table.row(cells);
        }
        table.lines("  ").iter().for_each(|line| output.line(line));
    }
}

/// Such as `3`, `3, 1 to take, 2 to give up` or `none: it is subscribed to nothing`.
fn part(one: &MemberLine<'_>) -> String {
    if let Some(reason) = &one.reason {
        return format!("none: {reason}");
    }
    let mut text = one.partitions.to_string();
    for (count, what) in [(one.to_take, "to take"), (one.to_give_up, "to give up")] {
        if let Some(count) = count.filter(|&count| count > 0) {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text
}
