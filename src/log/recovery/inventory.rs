//! What lies in a partition's directory, by name and size only.

use std::collections::BTreeMap;
use std::path::Path;

use super::swap;
use crate::log::delete::remove_if_there;
use crate::log::error::{At, Error};
use crate::log::names::{self, Name};
use crate::model::Offset;
use crate::rt::file;

/// Sizes of one segment's files; `None` for a file that is missing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Files {
    pub(super) log: Option<u64>,
    pub(super) offset_index: Option<u64>,
    pub(super) time_index: Option<u64>,
    pub(super) txn_index: Option<u64>,
}

#[derive(Default)]
pub(super) struct Inventory {
    /// By base offset; every one has a log file.
    pub(super) segments: BTreeMap<Offset, Files>,
    pub(super) snapshots: Vec<Offset>,
    pub(super) has_epochs: bool,
    pub(super) has_metadata: bool,
}

/// Lists the directory, completes what a cleaning had begun to put into place, and removes what a
/// crash left half done.
pub(super) async fn take(dir: &Path) -> Result<Inventory, Error> {
    let mut entries = file::list_dir(dir).await.at(dir)?;
    if swap::complete(dir, &entries).await? {
        entries = file::list_dir(dir).await.at(dir)?;
    }
    let mut inventory = Inventory::default();
    let mut segments: BTreeMap<Offset, Files> = BTreeMap::new();
    for entry in entries {
        let len = Some(entry.len);
        match names::parse(&entry.name) {
            Name::Log(offset) => segments.entry(offset).or_default().log = len,
            Name::OffsetIndex(offset) => segments.entry(offset).or_default().offset_index = len,
            Name::TimeIndex(offset) => segments.entry(offset).or_default().time_index = len,
            Name::TxnIndex(offset) => segments.entry(offset).or_default().txn_index = len,
            Name::Snapshot(offset) => inventory.snapshots.push(offset),
            Name::Epochs => inventory.has_epochs = true,
            Name::PartitionMetadata => inventory.has_metadata = true,
            Name::Deleted | Name::Temporary => {
                // Where the log was open a moment ago, its own removal may be under way.
                let path = dir.join(&entry.name);
                remove_if_there(&path).await?;
            }
            Name::Cleaned | Name::Swap | Name::Foreign => {}
        }
    }
    for (offset, files) in segments {
        if files.log.is_some() {
            inventory.segments.insert(offset, files);
            continue;
        }
        // Indexes whose log is gone: the removal was interrupted.
        for suffix in [names::OFFSET_INDEX, names::TIME_INDEX, names::TXN_INDEX] {
            let path = names::file(dir, offset, suffix);
            if file::exists(&path).await.at(&path)? {
                file::remove_file(&path).await.at(&path)?;
            }
        }
    }
    Ok(inventory)
}
