//! Where a run begins: at the progress that earlier runs have committed, or, the first time, at a
//! group's commits or at the beginning. The first time is a transaction of its own, so that every
//! later run finds what was decided.

use std::collections::BTreeMap;

use super::job::{Job, Stop};
use super::progress::{self, Note, Progress};
use crate::cli::failure::Failure;
use crate::cli::group::subscription;
use crate::cli::units;
use crate::client::{
    Cluster, Error, Isolation, OffsetToCommit, Topic, Transactor, committed, committed_and_stable,
    describe_group, list_offsets,
};
use crate::model::Offset;
use crate::wire::messages::list_offsets::{EARLIEST, LATEST};

/// Where each partition is to be read from.
pub struct Begun {
    pub starts: BTreeMap<i32, Offset>,
    /// Where the partitions end now.
    pub ends: BTreeMap<i32, Offset>,
    pub note: Note,
}

/// A group whose members still read the source would go on there, and lose its place.
pub async fn check_group(cluster: &Cluster, group: &str, source: &str) -> Result<(), Failure> {
    let (_, described) = describe_group(cluster, group).await?;
    let reads = |member: &&crate::client::GroupMember| {
        subscription(member).is_none_or(|topics| topics.contains(source))
    };
    match described.members.iter().filter(reads).count() {
        0 => Ok(()),
        readers => Err(Failure::Told(format!(
            "group {group} still reads {source} ({}): stop its consumers first",
            units::counted(readers as u64, "member")
        ))),
    }
}

/// Before a target is made: progress without one is that of another.
pub async fn check_new(cluster: &Cluster, source: &str, target: &str) -> Result<(), Failure> {
    let name = progress::name(source, target);
    let before = committed(cluster, &name).await?;
    match before.keys().any(|(topic, _)| topic == source) {
        true => Err(deleted(&name, target)),
        false => Ok(()),
    }
}

fn deleted(name: &str, target: &str) -> Failure {
    Failure::Told(format!(
        "an earlier run wrote to another topic {target} that is deleted since: `ringmain group \
         delete {name}` lets the fan-out begin anew"
    ))
}

/// What earlier runs have committed under this name.
async fn found(cluster: &Cluster, name: &str, source: &str) -> Result<Progress, Stop> {
    let mut progress = Progress::default();
    for ((topic, partition), found) in committed_and_stable(cluster, name).await? {
        if topic == source {
            progress.note = Some(found.note.parse().map_err(Failure::Told)?);
            progress.offsets.insert(partition, found.offset);
        }
    }
    Ok(progress)
}

pub async fn begin(
    job: &Job,
    transactor: &mut Transactor,
    source: &Topic,
    target: &Topic,
) -> Result<Begun, Stop> {
    let cluster = &job.cluster;
    let before = found(cluster, &job.name, &job.source).await?;
    let (first, ends) = (at(job, EARLIEST).await?, at(job, LATEST).await?);
    let group = job.group.as_deref().unwrap_or_default();
    let note = match before.note {
        Some(note) => {
            check(job, &note, target, group)?;
            note
        }
        None => {
            let (target, partitions) = (target.id, target.partitions.len());
            Note { target, partitions, group: group.to_owned() }
        }
    };
    let is_first = before.offsets.is_empty();
    let of_group = match (is_first, &job.group) {
        (true, Some(group)) => committed(cluster, group).await?,
        _ => BTreeMap::new(),
    };
    let has_read = of_group.keys().any(|(topic, _)| *topic == job.source);
    if is_first && !group.is_empty() && !has_read {
        job.note(&format!(
            "group {group} has committed nothing for {}: all of it is drained",
            job.source
        ));
    }
    let mut starts = BTreeMap::new();
    for partition in &source.partitions {
        let index = partition.index;
        let from = before.offsets.get(&index).or(of_group.get(&(job.source.clone(), index)));
        let (Some(&first), Some(&end)) = (first.get(&index), ends.get(&index)) else {
            return Err(Error::NoLeader { subject: format!("{}-{index}", job.source) }.into());
        };
        let from = from.copied().unwrap_or(first);
        if from > end {
            return Err(Stop::Told(Failure::Told(format!(
                "{}-{index} is to be read from offset {from}, but ends at {end}: the topic was \
                 made anew, or cut; `ringmain group delete {}` lets the fan-out begin anew",
                job.source, job.name
            ))));
        }
        starts.insert(index, from);
    }
    if is_first {
        let offsets = job.offsets(&starts, &note);
        transactor.commit_offsets(&job.name, &offsets).await?;
        if let Some(group) = &job.group {
            hand_over(job, transactor, group, target).await?;
        }
        transactor.commit().await?;
    }
    Ok(Begun { starts, ends, note })
}

/// Lets the group find the first drained record in each partition of the target, wherever its
/// consumers would begin by themselves.
async fn hand_over(
    job: &Job,
    transactor: &mut Transactor,
    group: &str,
    target: &Topic,
) -> Result<(), Stop> {
    let cluster = &job.cluster;
    let known = committed(cluster, group).await?;
    let wanted: Vec<(i32, i64)> =
        target.partitions.iter().map(|partition| (partition.index, LATEST)).collect();
    let isolation = Isolation::ReadUncommitted;
    let ends = list_offsets(cluster, &job.target, target, &wanted, isolation).await?;
    let missing =
        ends.iter().filter(|(index, _)| !known.contains_key(&(job.target.clone(), **index)));
    let offsets: Vec<OffsetToCommit> = missing
        .map(|(&partition, at)| OffsetToCommit {
            topic: job.target.clone(),
            partition,
            offset: at.offset,
            note: String::new(),
        })
        .collect();
    if offsets.is_empty() {
        return Ok(());
    }
    Ok(transactor.commit_offsets(group, &offsets).await?)
}

/// Whether earlier runs did the same as this one.
fn check(job: &Job, note: &Note, target: &Topic, group: &str) -> Result<(), Stop> {
    let anew = format!("`ringmain group delete {}` lets the fan-out begin anew", job.name);
    if note.target != target.id {
        return Err(Stop::Told(deleted(&job.name, &job.target)));
    }
    if note.group != group {
        let say = |group: &str| match group {
            "" => "without --group".to_owned(),
            group => format!("with --group {group}"),
        };
        return Err(Stop::Told(Failure::Told(format!(
            "an earlier run began {}: go on so, or {anew}",
            say(&note.group)
        ))));
    }
    Ok(())
}

/// The offset of the source's partitions at a time, or an end of theirs.
async fn at(job: &Job, time: i64) -> Result<BTreeMap<i32, Offset>, Error> {
    let ask = async || {
        let topic = job.cluster.topic(&job.source, false).await?;
        let wanted: Vec<(i32, i64)> =
            topic.partitions.iter().map(|partition| (partition.index, time)).collect();
        let isolation = Isolation::ReadUncommitted;
        list_offsets(&job.cluster, &job.source, &topic, &wanted, isolation).await
    };
    let found = job.cluster.retry(ask).await?;
    Ok(found.into_iter().map(|(index, at)| (index, at.offset)).collect())
}
