//! Checking everything that a partition's files say against each other: checksums, offsets, what
//! the indexes point at, producers, epochs.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::walk::{Item, Walk};
use crate::log::epochs::Epochs;
use crate::log::index::{offset, time, txn};
use crate::log::names::{self, Name};
use crate::log::{partition_metadata, producers};
use crate::model::{LeaderEpoch, Offset};
use crate::wire::batch::{Batch, BatchHeader};

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub file: PathBuf,
    pub position: u64,
    pub what: String,
    /// False for what the next open puts in order by itself: room that was reserved, an index that
    /// ends early.
    pub is_damage: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_damage { "damage" } else { "note" };
        write!(f, "{kind}: {} at byte {}: {}", self.file.display(), self.position, self.what)
    }
}

/// Checks the partition in `dir`, which nobody may have open.
pub fn verify(dir: &Path) -> io::Result<Vec<Fault>> {
    let mut found: Vec<(Name, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        found.push((names::parse(&entry.file_name().to_string_lossy()), entry.path()));
    }
    found.sort();
    let snapshots = found.iter().filter_map(|(name, _)| match name {
        Name::Snapshot(offset) => Some(*offset),
        _ => None,
    });
    let mut check = Check { faults: Vec::new(), epochs: None, snapshots: snapshots.collect() };
    let bases: Vec<Offset> = found.iter().filter_map(|(name, _)| base_of(*name)).collect();
    for (name, path) in &found {
        match name {
            Name::Epochs => check.epochs_file(path)?,
            Name::PartitionMetadata => check.metadata(path)?,
            Name::Snapshot(offset) => check.snapshot(path, *offset)?,
            Name::OffsetIndex(base) | Name::TimeIndex(base) | Name::TxnIndex(base)
                if !bases.contains(base) =>
            {
                check.fault(path, 0, "an index without its log", false);
            }
            Name::Deleted | Name::Temporary | Name::Cleaned | Name::Swap => {
                check.fault(path, 0, "left behind", false);
            }
            _ => {}
        }
    }
    let mut expected = bases.first().copied().unwrap_or(0);
    for (number, &base) in bases.iter().enumerate() {
        let next = bases.get(number + 1).copied();
        expected = check.segment(dir, base, expected, next)?;
    }
    Ok(check.faults)
}

fn base_of(name: Name) -> Option<Offset> {
    match name {
        Name::Log(base) => Some(base),
        _ => None,
    }
}

struct Check {
    faults: Vec<Fault>,
    epochs: Option<Epochs>,
    snapshots: Vec<Offset>,
}

impl Check {
    fn fault(&mut self, file: &Path, position: u64, what: impl Into<String>, is_damage: bool) {
        let (file, what) = (file.to_owned(), what.into());
        self.faults.push(Fault { file, position, what, is_damage });
    }

    fn damage(&mut self, file: &Path, position: u64, what: impl Into<String>) {
        self.fault(file, position, what, true);
    }

    fn epochs_file(&mut self, path: &Path) -> io::Result<()> {
        let bytes = std::fs::read(path)?;
        self.epochs = std::str::from_utf8(&bytes).ok().and_then(Epochs::decode);
        if self.epochs.is_none() {
            self.damage(path, 0, "not a table of leader epochs");
        }
        Ok(())
    }

    fn metadata(&mut self, path: &Path) -> io::Result<()> {
        let bytes = std::fs::read(path)?;
        if std::str::from_utf8(&bytes).ok().and_then(partition_metadata::decode).is_none() {
            self.damage(path, 0, "it names no topic");
        }
        Ok(())
    }

    fn snapshot(&mut self, path: &Path, offset: Offset) -> io::Result<()> {
        match producers::decode(&std::fs::read(path)?) {
            Err(why) => self.damage(path, 0, why.0),
            Ok(producers) => {
                let later = producers.iter().filter_map(|(_, producer)| producer.last());
                if later.map(|batch| batch.last_offset).max().is_some_and(|last| last >= offset) {
                    self.damage(path, 0, "a producer's batch lies behind the snapshot");
                }
            }
        }
        Ok(())
    }

    /// Checks one segment and yields the offset behind it.
    fn segment(
        &mut self,
        dir: &Path,
        base: Offset,
        expected: Offset,
        next: Option<Offset>,
    ) -> io::Result<Offset> {
        let path = names::file(dir, base, names::LOG);
        let mut pointers = Pointers::read(dir, base)?;
        let mut expected = expected.max(base);
        let mut epoch = -1;
        let mut end = 0;
        let mut walk = Walk::open(&path)?;
        while let Some(item) = walk.next()? {
            match item {
                Item::Bad { position, what } => {
                    self.damage(&path, position, what.message());
                    return Ok(next.unwrap_or(expected));
                }
                Item::Zeros { position, bytes } => {
                    self.fault(&path, position, format!("{bytes} bytes of reserved room"), false);
                }
                Item::LeftBehind { position, bytes } => {
                    // A segment is cut to its length before the snapshot of its end is written.
                    let is_finished = next.is_some_and(|next| self.snapshots.contains(&next));
                    let what = format!("{bytes} bytes from before the file was this segment's");
                    self.fault(&path, position, what, is_finished);
                }
                Item::Batch { position, batch } => {
                    let header = batch.header;
                    for what in faults_of(&batch, expected, base, epoch, next) {
                        self.damage(&path, position, what);
                    }
                    self.epoch_of(&path, position, &header);
                    pointers.pass(position, &header);
                    expected = expected.max(header.next_offset());
                    epoch = epoch.max(header.partition_leader_epoch());
                    end = position + header.size() as u64;
                }
            }
        }
        if end > i32::MAX as u64 {
            self.damage(&path, end, "the file is larger than an index can point into");
        }
        for (suffix, what) in pointers.left(end) {
            self.damage(&names::file(dir, base, suffix), 0, what);
        }
        for suffix in pointers.missing.iter().filter(|_| next.is_some()) {
            self.fault(&names::file(dir, base, suffix), 0, "it is missing", false);
        }
        Ok(expected)
    }

    fn epoch_of(&mut self, path: &Path, position: u64, header: &BatchHeader<'_>) {
        let Some(epochs) = &self.epochs else { return };
        let epoch = LeaderEpoch(header.partition_leader_epoch());
        if epoch < LeaderEpoch(0) || epochs.epoch_of(header.base_offset()) == Some(epoch) {
            return;
        }
        // What is newer than the file was not closed in order; what is older was given up.
        let is_newer = epochs.latest().is_none_or(|latest| epoch > latest.epoch);
        let is_older = epochs
            .entries()
            .first()
            .is_none_or(|first| first.start_offset > header.base_offset() && first.epoch >= epoch);
        let what = format!("leader epoch {epoch} is not what {} says", names::EPOCHS);
        self.fault(path, position, what, !is_newer && !is_older);
    }
}

/// What is wrong with one batch. `next`: base offset of the next segment.
pub(super) fn faults_of(
    batch: &Batch<'_>,
    expected: Offset,
    base: Offset,
    epoch: i32,
    next: Option<Offset>,
) -> Vec<String> {
    let header = batch.header;
    let mut faults = Vec::new();
    if batch.check_crc().is_err() {
        faults.push("the checksum is wrong".to_owned());
    }
    if header.base_offset() < expected || header.last_offset_delta() < 0 {
        faults.push(format!("offset {} where {expected} is next", header.base_offset()));
    }
    if header.last_offset() - base > Offset::from(i32::MAX)
        || next.is_some_and(|next| header.last_offset() >= next)
    {
        faults.push(format!("offset {} belongs into a later segment", header.last_offset()));
    }
    if header.partition_leader_epoch() >= 0 && header.partition_leader_epoch() < epoch {
        faults.push(format!("leader epoch {} after {epoch}", header.partition_leader_epoch()));
    }
    faults
}

/// What the indexes of one segment still point at, checked off as the batches pass.
struct Pointers {
    base: Offset,
    positions: Vec<offset::Entry>,
    times: Vec<time::Entry>,
    markers: BTreeSet<Offset>,
    passed: [usize; 2],
    faults: Vec<(&'static str, String)>,
    missing: Vec<&'static str>,
}

impl Pointers {
    fn read(dir: &Path, base: Offset) -> io::Result<Pointers> {
        let mut pointers = Pointers {
            base,
            positions: Vec::new(),
            times: Vec::new(),
            markers: BTreeSet::new(),
            passed: [0; 2],
            faults: Vec::new(),
            missing: Vec::new(),
        };
        let mut bytes_of = |suffix| match std::fs::read(names::file(dir, base, suffix)) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                pointers.missing.push(suffix);
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        };
        let positions = offset::decode(&bytes_of(names::OFFSET_INDEX)?, u64::MAX);
        let times = time::decode(&bytes_of(names::TIME_INDEX)?, u64::MAX);
        let markers = txn::decode(&bytes_of(names::TXN_INDEX)?, base, Offset::MAX);
        pointers.missing.retain(|suffix| *suffix != names::TXN_INDEX);
        match positions {
            Ok(entries) => pointers.positions = entries,
            Err(why) => pointers.faults.push((names::OFFSET_INDEX, why.0.to_owned())),
        }
        match times {
            Ok(entries) => pointers.times = entries,
            Err(why) => pointers.faults.push((names::TIME_INDEX, why.0.to_owned())),
        }
        match markers {
            Ok(entries) => {
                pointers.markers = entries.iter().map(|entry| entry.last_offset).collect();
            }
            Err(why) => pointers.faults.push((names::TXN_INDEX, why.0.to_owned())),
        }
        Ok(pointers)
    }

    fn pass(&mut self, position: u64, header: &BatchHeader<'_>) {
        let relative = |offset: Offset| u64::try_from(offset - self.base).unwrap_or(u64::MAX);
        let (first, last) = (relative(header.base_offset()), relative(header.last_offset()));
        while let Some(entry) = self.positions.get(self.passed[0])
            && u64::from(entry.position) <= position
        {
            // Kafka may put the last offset of several batches behind the place of the first.
            let leads = u64::from(entry.position) == position && u64::from(entry.relative) >= last;
            if !leads {
                let what = format!("entry {} leads to no batch of its offset", self.passed[0]);
                self.faults.push((names::OFFSET_INDEX, what));
            }
            self.passed[0] += 1;
        }
        while let Some(entry) = self.times.get(self.passed[1])
            && u64::from(entry.relative) <= last
        {
            let fits =
                u64::from(entry.relative) >= first && entry.timestamp == header.max_timestamp();
            if !fits {
                let what = format!("entry {} has another time than its batch", self.passed[1]);
                self.faults.push((names::TIME_INDEX, what));
            }
            self.passed[1] += 1;
        }
        if header.is_control() {
            self.markers.remove(&header.base_offset());
        }
    }

    /// All faults, when the last batch has passed.
    fn left(&mut self, end: u64) -> Vec<(&'static str, String)> {
        let mut faults = std::mem::take(&mut self.faults);
        if self.passed[0] < self.positions.len() {
            let what = format!("entry {} points behind the log's end, {end}", self.passed[0]);
            faults.push((names::OFFSET_INDEX, what));
        }
        if self.passed[1] < self.times.len() {
            let what = format!("entry {} points behind the log's end", self.passed[1]);
            faults.push((names::TIME_INDEX, what));
        }
        if let Some(offset) = self.markers.first() {
            faults.push((names::TXN_INDEX, format!("no marker lies at offset {offset}")));
        }
        faults
    }
}
