//! Putting in order what can be made again from the log: indexes, producer snapshots, leader
//! epochs. Of the log itself nothing is given up unless that was said; then it ends before its first
//! damage, and what is cut off stays beside it, as `.cut`.
//!
//! Each file is replaced as a whole (written beside, synced, renamed), in an order in which a crash
//! does no harm: a snapshot, which says that the segment before it is finished, comes after it.

mod cut;
mod rebuild;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::verify::{Fault, verify};
use crate::log::names;

/// What may be done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remedy {
    /// End the log before its first damage.
    pub cut: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Something that was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub file: PathBuf,
    pub what: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repair: {}: {}", self.file.display(), self.what)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Repaired {
    pub changes: Vec<Change>,
    /// What is still damaged; of a dry run, what would be.
    pub damage: Vec<Fault>,
}

/// Repairs the partition in `dir`, which nobody may have open.
pub fn repair(dir: &Path, remedy: Remedy) -> io::Result<Repaired> {
    let mut work = Work::begin(dir, remedy)?;
    let damaged = work.rebuild()?;
    if let Some(place) = damaged.filter(|_| remedy.cut) {
        work.cut(&place)?;
        if remedy.dry_run {
            return Ok(Repaired { changes: work.changes, damage: Vec::new() });
        }
        // What there is to do now depends on what is left.
        let mut changes = work.changes;
        let rest = repair(dir, Remedy { cut: false, ..remedy })?;
        changes.extend(rest.changes);
        return Ok(Repaired { changes, damage: rest.damage });
    }
    let mut damage = verify(dir)?;
    damage.retain(|fault| fault.is_damage);
    if remedy.dry_run {
        damage.retain(|fault| !work.changes.iter().any(|change| change.file == fault.file));
    }
    Ok(Repaired { changes: work.changes, damage })
}

/// Where the log stops making sense.
struct Damage {
    segment: i64,
    position: u64,
    /// The next offset of what is good.
    offset: i64,
    what: String,
}

/// One partition being repaired.
struct Work<'a> {
    dir: &'a Path,
    remedy: Remedy,
    /// Files with which something is wrong.
    faulty: BTreeSet<PathBuf>,
    /// Logs that still have behind them what their files held before.
    uncut: BTreeSet<PathBuf>,
    changes: Vec<Change>,
}

impl<'a> Work<'a> {
    fn begin(dir: &'a Path, remedy: Remedy) -> io::Result<Work<'a>> {
        let faulty = verify(dir)?.into_iter().map(|fault| fault.file).collect();
        Ok(Work { dir, remedy, faulty, uncut: BTreeSet::new(), changes: Vec::new() })
    }

    fn note(&mut self, file: &Path, what: impl Into<String>) {
        self.changes.push(Change { file: file.to_owned(), what: what.into() });
    }

    /// Writes a file anew.
    fn replace(&mut self, file: &Path, bytes: &[u8], what: impl Into<String>) -> io::Result<()> {
        self.note(file, what);
        if self.remedy.dry_run { Ok(()) } else { replace(file, bytes) }
    }

    fn remove(&mut self, file: &Path, what: impl Into<String>) -> io::Result<()> {
        self.note(file, what);
        if self.remedy.dry_run {
            return Ok(());
        }
        fs::remove_file(file)?;
        sync_around(file)
    }
}

fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = names::with(file, "tmp");
    let mut written = File::create(&beside)?;
    written.write_all(bytes)?;
    written.sync_all()?;
    fs::rename(&beside, file)?;
    sync_around(file)
}

/// Makes it durable that the file has this name.
fn sync_around(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
