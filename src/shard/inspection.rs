//! Whose the data directories are, before anything in them is opened: which one keeps the metadata log,
//! and that all of them are this host's.

use std::io;

use super::checkpoints;
use super::directories::{Given, Known, own_dir};
use super::meta_properties::{self, MetaProperties};
use crate::base::prng::Prng;
use crate::model::{ClusterId, DirectoryId, NodeId};
use crate::notice;
use crate::rt::file;

/// What was found in each directory.
pub struct Inspected {
    pub directories: Vec<Known>,
    properties: Vec<Option<MetaProperties>>,
    /// The place of the one that keeps the metadata log.
    pub metadata: usize,
    /// The cluster that those directories belong to which say so.
    pub cluster: Option<ClusterId>,
}

/// What one look at a directory shows.
struct Look {
    properties: Option<MetaProperties>,
    has_metadata: bool,
    has_checkpoints: bool,
}

async fn look(given: &Given) -> io::Result<Look> {
    let properties = meta_properties::load(&given.path).await?;
    let own = own_dir(&given.path);
    let metadata = own.join("metadata");
    Ok(Look {
        properties,
        has_metadata: file::exists(&metadata.join("journal")).await?
            || file::exists(&metadata.join("snapshot")).await?,
        has_checkpoints: checkpoints::are_in(&own).await?,
    })
}

/// An error is one line for the operator.
pub async fn inspect(given: &[Given], node: NodeId) -> Result<Inspected, String> {
    let mut directories: Vec<Known> = Vec::new();
    let mut properties = Vec::new();
    let (mut keepers, mut used) = (Vec::new(), None);
    for (place, given) in given.iter().enumerate() {
        let mut given = given.clone();
        let looked = match &given.fault {
            Some(_) => None,
            None => match look(&given).await {
                Ok(looked) => Some(looked),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(format!("{} cannot be read: {error}", given.path.display()));
                }
                Err(error) => {
                    given.fault = Some(error.to_string());
                    None
                }
            },
        };
        if let Some(looked) = &looked {
            keepers.extend(looked.has_metadata.then_some(place));
            used = used.or(looked.has_checkpoints.then(|| given.path.clone()));
        }
        let found = looked.and_then(|looked| looked.properties);
        let id = found.and_then(|found| found.directory).unwrap_or(DirectoryId::NIL);
        properties.push(found);
        directories.push(Known { given, id, keeps_metadata: false });
    }
    check_owners(&directories, &properties, node)?;
    let path = |place: usize| directories[place].given.path.display();
    let faulty = directories.iter().find(|known| known.given.fault.is_some());
    let metadata = match (&keepers[..], faulty, used) {
        (&[keeper], ..) => keeper,
        (&[one, other, ..], ..) => {
            return Err(format!(
                "{} and {} each keep a metadata log: they are two brokers' directories",
                path(one),
                path(other)
            ));
        }
        ([], Some(faulty), _) => {
            let Given { path, fault, .. } = &faulty.given;
            let fault = fault.as_deref().unwrap_or_default();
            let path = path.display();
            return Err(match directories.len() {
                1 => format!("{path} cannot be read: {fault}"),
                _ => format!(
                    "{path} cannot be read: {fault}; no other directory keeps the metadata log, \
                     without which there is no start"
                ),
            });
        }
        ([], None, Some(used)) => {
            return Err(format!(
                "{} holds partitions of a broker whose metadata log is not here: name all of its \
                 directories (log.dirs)",
                used.display()
            ));
        }
        ([], None, None) => 0,
    };
    directories[metadata].keeps_metadata = true;
    for Known { given, .. } in &directories {
        if let Some(fault) = &given.fault {
            let path = given.path.display();
            notice!("{path} cannot be used: {fault}: its partitions are offline, others go on");
        }
    }
    let cluster = properties.iter().flatten().map(|found| found.cluster).next();
    Ok(Inspected { directories, properties, metadata, cluster })
}

fn check_owners(
    directories: &[Known],
    properties: &[Option<MetaProperties>],
    node: NodeId,
) -> Result<(), String> {
    let mut seen: Vec<(&Known, MetaProperties)> = Vec::new();
    for (known, found) in directories.iter().zip(properties) {
        let Some(found) = *found else { continue };
        let path = known.given.path.display();
        if found.node != node {
            return Err(format!(
                "{path} belongs to node {}, not to node {node}: set node.id, or choose another \
                 directory with --data",
                found.node
            ));
        }
        if let Some((other, first)) = seen.iter().find(|(_, first)| first.cluster != found.cluster)
        {
            return Err(format!(
                "{path} belongs to cluster {}, and {} to cluster {}",
                found.cluster,
                other.given.path.display(),
                first.cluster
            ));
        }
        let is_same = |(_, first): &&(&Known, MetaProperties)| {
            found.directory.is_some() && first.directory == found.directory
        };
        if let Some((other, _)) = seen.iter().find(is_same) {
            return Err(format!(
                "{path} is a copy of {}: both carry directory.id {}",
                other.given.path.display(),
                known.id
            ));
        }
        seen.push((known, found));
    }
    Ok(())
}

impl Inspected {
    /// Gives an id to the directories that have none, and writes down whose they are.
    pub async fn sign(
        &mut self,
        cluster: ClusterId,
        node: NodeId,
        random: &mut Prng,
    ) -> Result<(), String> {
        for (known, found) in self.directories.iter_mut().zip(&self.properties) {
            let path = known.given.path.clone();
            if let Some(found) = found.filter(|found| found.cluster != cluster) {
                return Err(format!(
                    "{} belongs to cluster {}, not to {cluster}: choose another directory with \
                     --data",
                    path.display(),
                    found.cluster
                ));
            }
            if known.given.fault.is_some() || !known.id.is_nil() {
                continue;
            }
            known.id = DirectoryId::random(random);
            let signed = match found {
                Some(_) => meta_properties::add_directory(&path, known.id).await,
                None => meta_properties::create(&path, cluster, node, known.id).await,
            };
            signed.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }
}
