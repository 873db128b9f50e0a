//! `ringmain group reset-offsets`: shows where a group would go on, and with --execute makes it so.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use clap::Args;
use serde::Serialize;

use super::place::Place;
use super::{DEAD, EMPTY};
use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::table::{Align, Table};
use crate::cli::topic;
use crate::client::{
    Cluster, Committed, Isolation, Metadata, Scope, commit, committed, describe_group, list_offsets,
};
use crate::model::Offset;
use crate::rt;
use crate::wire::messages::list_offsets::{EARLIEST, LATEST};

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain group reset-offsets reports --topic orders --to earliest             only shows it
  ringmain group reset-offsets reports --topic orders --to earliest --execute
  ringmain group reset-offsets reports --topic orders:0,2 --to -100 --execute   100 records back
  ringmain group reset-offsets reports --all-topics --to 2h --execute           two hours ago";

#[derive(Args)]
#[command(about = "Let a group go on somewhere else", after_help = EXAMPLES)]
#[command(
    long_about = "Let a group without members go on somewhere else. Without --execute it is \
                        only shown what would be done"
)]
pub struct Reset {
    /// The group
    group: String,
    /// A topic, or some partitions of it as TOPIC:0,3; may be given several times
    #[arg(long, short, value_name = "TOPIC[:PARTITIONS]", value_parser = parts)]
    #[arg(required_unless_present = "all_topics")]
    topic: Vec<Parts>,
    /// Every partition for which the group has committed something
    #[arg(long, conflicts_with = "topic")]
    all_topics: bool,
    /// Where: earliest, latest, an offset, +N or -N to move by so many, @MS for a time, or a duration
    /// ago such as 90s, 30m, 12h, 7d
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    to: Place,
    /// Do it
    #[arg(long)]
    execute: bool,
    /// Print one line of JSON a partition
    #[arg(long, short)]
    json: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Some partitions of a topic; all when empty.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    topic: String,
    partitions: Vec<i32>,
}

fn parts(text: &str) -> Result<Parts, String> {
    let explain = || "a topic, or partitions of it as TOPIC:0,3".to_owned();
    let (topic, list) = text.split_once(':').unwrap_or((text, ""));
    let number = |item: &str| item.trim().parse::<i32>().ok().filter(|&number| number >= 0);
    let items = list.split(',').filter(|item| !item.is_empty());
    let partitions: Option<Vec<i32>> = items.map(number).collect();
    if topic.is_empty() || (text.contains(':') && list.is_empty()) {
        return Err(explain());
    }
    Ok(Parts { topic: topic.to_owned(), partitions: partitions.ok_or_else(explain)? })
}

#[derive(Serialize)]
struct Line<'a> {
    group: &'a str,
    topic: &'a str,
    partition: i32,
    from: Option<Offset>,
    to: Offset,
    executed: bool,
}

pub fn run(args: Reset) -> Result<(), Failure> {
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| reset(cluster, args, output))
}

async fn reset(cluster: Rc<Cluster>, args: Reset, mut output: Output) -> Result<(), Failure> {
    let (_, group) = describe_group(&cluster, &args.group).await?;
    if ![DEAD, EMPTY].contains(&group.state.as_str()) {
        return Err(Failure::Told(format!(
            "group {} is active ({}, with {}): stop its consumers first",
            args.group,
            group.state,
            crate::cli::units::counted(group.members.len() as u64, "member")
        )));
    }
    let metadata = cluster.retry(async || cluster.metadata(Scope::All).await).await?;
    let before = committed(&cluster, &args.group).await?;
    let wanted = wanted(&args, &metadata, &before)?;
    let mut after = Committed::new();
    for (name, partitions) in &wanted {
        places(&cluster, &metadata, name, partitions, args.to, &before, &mut after).await?;
    }
    if args.execute && !after.is_empty() {
        commit(&cluster, &args.group, &after).await?;
    }
    show(&args, &before, &after, &mut output);
    output.flush().await
}

fn wanted(
    args: &Reset,
    metadata: &Metadata,
    before: &Committed,
) -> Result<BTreeMap<String, BTreeSet<i32>>, Failure> {
    let mut wanted: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    if args.all_topics {
        if before.is_empty() {
            return Err(Failure::Told(format!(
                "group {} has committed nothing: name its topics with --topic",
                args.group
            )));
        }
        for (topic, partition) in before.keys() {
            wanted.entry(topic.clone()).or_default().insert(*partition);
        }
    }
    for Parts { topic, partitions } in &args.topic {
        let Some(known) = metadata.topics.get(topic) else { return Err(topic::missing(topic)) };
        let all = || known.partitions.iter().map(|partition| partition.index).collect();
        let these = if partitions.is_empty() { all() } else { partitions.clone() };
        if let Some(&missing) = these.iter().find(|&&index| known.partition(index).is_none()) {
            return Err(topic::missing_partition(topic, missing, known.partitions.len()));
        }
        wanted.entry(topic.clone()).or_default().extend(these);
    }
    Ok(wanted)
}

/// The new offset of each partition, within what its log holds.
async fn places(
    cluster: &Cluster,
    metadata: &Metadata,
    name: &str,
    partitions: &BTreeSet<i32>,
    to: Place,
    before: &Committed,
    after: &mut Committed,
) -> Result<(), Failure> {
    let Some(topic) = metadata.topics.get(name) else { return Err(topic::missing(name)) };
    let ask = async |time: i64| {
        let wanted: Vec<(i32, i64)> = partitions.iter().map(|&index| (index, time)).collect();
        let ask =
            async || list_offsets(cluster, name, topic, &wanted, Isolation::ReadUncommitted).await;
        cluster.retry(ask).await
    };
    let (earliest, latest) = (ask(EARLIEST).await?, ask(LATEST).await?);
    let since = match to {
        Place::Since(ms) => ask(ms).await?,
        Place::Ago(ms) => ask((rt::unix_ms() - ms).max(0)).await?,
        _ => BTreeMap::new(),
    };
    for &partition in partitions {
        let key = (name.to_owned(), partition);
        let (first, end) = (earliest[&partition].offset, latest[&partition].offset);
        let offset = match to {
            Place::Earliest => first,
            Place::Latest => end,
            Place::At(offset) => offset,
            Place::Shift(by) => match before.get(&key) {
                Some(committed) => committed.saturating_add(by),
                None => {
                    return Err(Failure::Told(format!(
                        "nothing is committed for {name}-{partition} that could be moved from: say \
                         earliest, latest or an offset"
                    )));
                }
            },
            // No record is that young: what comes will be.
            Place::Since(_) | Place::Ago(_) if since[&partition].offset < 0 => end,
            Place::Since(_) | Place::Ago(_) => since[&partition].offset,
        };
        after.insert(key, offset.clamp(first, end));
    }
    Ok(())
}

fn show(args: &Reset, before: &Committed, after: &Committed, output: &mut Output) {
    let mut table = Table::new(&[
        ("TOPIC", Align::Left),
        ("PARTITION", Align::Right),
        ("FROM", Align::Right),
        ("TO", Align::Right),
    ]);
    for (key, &to) in after {
        let (topic, partition) = (key.0.as_str(), key.1);
        let from = before.get(key).copied();
        if args.json {
            let (group, executed) = (args.group.as_str(), args.execute);
            output.json(&Line { group, topic, partition, from, to, executed });
        } else {
            let from = from.map_or("-".to_owned(), |from| from.to_string());
            table.row(vec![topic.to_owned(), partition.to_string(), from, to.to_string()]);
        }
    }
    if !args.json {
        table.lines("").iter().for_each(|line| output.line(line));
        if !args.execute {
            eprintln!("Nothing was changed: --execute does it.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_topics_are_read() {
        let check = |text: &str, expect: Option<(&str, &[i32])>| {
            let read = parts(text).ok();
            let read = read.as_ref().map(|p| (p.topic.as_str(), p.partitions.as_slice()));
            assert_eq!(read, expect, "{text}");
        };
        check("orders", Some(("orders", &[])));
        check("orders:0,2", Some(("orders", &[0, 2])));
        for bad in ["", ":0", "orders:", "orders:x", "orders:-1"] {
            check(bad, None);
        }
    }
}
