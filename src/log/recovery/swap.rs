//! Completing, or undoing, the replacement of segments that a crash interrupted (Kafka: LogLoader).
//!
//! `.cleaned` files are what a cleaning had made so far: they go, and with them a `.swap` at or behind
//! the first of them, which was not yet whole or is part of a split that was not. Any other `.swap` is
//! whole and durable, and takes the place of the segments whose offsets it covers; some of them may
//! be gone already. In this order, so that a crash in here changes nothing of that.

use std::path::Path;

use crate::log::error::{At, Error};
use crate::log::names::{self, Name};
use crate::log::scan::{Scan, Scanned};
use crate::model::Offset;
use crate::rt::file::{self, Entry};

/// True when there was something to do.
pub(super) async fn complete(dir: &Path, entries: &[Entry]) -> Result<bool, Error> {
    let cleaned = with_suffix(entries, names::CLEANED);
    let swaps = with_suffix(entries, names::SWAP);
    if cleaned.is_empty() && swaps.is_empty() {
        return Ok(false);
    }
    let first_cleaned = cleaned.iter().map(|(_, base)| *base).min().unwrap_or(Offset::MAX);
    let (undone, swaps): (Vec<_>, Vec<_>) =
        swaps.into_iter().partition(|(_, base)| *base >= first_cleaned);
    for (plain, _) in undone {
        remove(&names::with(&dir.join(plain), names::SWAP)).await?;
    }
    for (plain, _) in cleaned {
        remove(&names::with(&dir.join(plain), names::CLEANED)).await?;
    }
    let mut covered: Option<(Offset, Offset)> = None;
    for (plain, base) in &swaps {
        if let Name::Log(_) = names::parse(plain) {
            let end = end_of(&names::with(&dir.join(plain), names::SWAP), *base).await?;
            let (low, high) = covered.unwrap_or((*base, end));
            covered = Some((low.min(*base), high.max(end)));
        }
    }
    if let Some((low, high)) = covered {
        for entry in entries {
            let name = names::parse(&entry.name);
            let base = name.base_offset().unwrap_or(-1);
            // The snapshot where they begin says that the segment before them is finished.
            let keeps = matches!(name, Name::Snapshot(base) if base == low);
            if (low..high).contains(&base) && !keeps {
                remove(&dir.join(&entry.name)).await?;
            }
        }
    }
    for (plain, _) in &swaps {
        let path = dir.join(plain);
        let swap = names::with(&path, names::SWAP);
        file::rename(&swap, &path).await.at(&swap)?;
    }
    Ok(true)
}

/// The names of a segment's files that have this suffix behind them, without it, and their offset.
fn with_suffix<'a>(entries: &'a [Entry], suffix: &str) -> Vec<(&'a str, Offset)> {
    let plain = entries.iter().filter_map(|entry| names::without(&entry.name, suffix));
    plain.filter_map(|plain| Some((plain, names::parse(plain).base_offset()?))).collect()
}

/// Where the segment in a file ends. It was synced before it got its name.
async fn end_of(path: &Path, base: Offset) -> Result<Offset, Error> {
    let mut scan = Scan::open(path, base, 0, base).await?;
    let mut end = base;
    loop {
        match scan.next().await? {
            Scanned::Batch { header, .. } => end = header.last_offset() + 1,
            Scanned::End => return Ok(end),
            Scanned::Bad(why) => return Err(Error::corrupt(path, scan.position(), why)),
        }
    }
}

async fn remove(path: &Path) -> Result<(), Error> {
    file::remove_file(path).await.at(path)
}
