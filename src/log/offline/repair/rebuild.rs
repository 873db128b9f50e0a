//! Reading the log from its first batch to its last, and making again what is missing or wrong of
//! what belongs to it.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::rc::Rc;

use super::{Damage, Work};
use crate::log::append::Said;
use crate::log::epochs::Epochs;
use crate::log::header::Header;
use crate::log::index::{offset, time, txn};
use crate::log::names::{self, Name};
use crate::log::offline::verify::faults_of;
use crate::log::offline::walk::{Item, Walk};
use crate::log::producers::{self, Producers};
use crate::log::segment::Segment;
use crate::log::settings::LogSettings;
use crate::model::{LeaderEpoch, Offset};

/// What the batches read so far amount to.
struct State {
    producers: Producers,
    epochs: Epochs,
    /// Offset behind the last batch.
    end: Offset,
    /// Snapshots that lie ahead, rising.
    snapshots: Vec<Offset>,
}

impl Work<'_> {
    /// Repairs up to the first damage in the log, and says where that is. Indexes of the segments
    /// behind it are repaired, too; what depends on the batches before is not.
    pub(super) fn rebuild(&mut self) -> io::Result<Option<Damage>> {
        let (bases, snapshots) = self.offsets()?;
        let Some(&first) = bases.first() else { return Ok(None) };
        let mut state = State {
            producers: Producers::default(),
            epochs: Epochs::default(),
            end: first,
            snapshots,
        };
        let mut damage = None;
        for (at, &base) in bases.iter().enumerate() {
            let next = bases.get(at + 1).copied();
            let found = self.segment(base, next, &mut state, damage.is_none())?;
            damage = damage.or(found);
            let finished = damage.is_none().then_some(next).flatten();
            if let Some(next) = finished {
                self.boundary(base, next, &mut state)?;
            }
        }
        if damage.is_none() {
            self.pass_snapshots(&mut state, Offset::MAX)?;
            self.epochs(&state.epochs)?;
        }
        Ok(damage)
    }

    /// Base offsets and snapshots, each rising.
    fn offsets(&self) -> io::Result<(Vec<Offset>, Vec<Offset>)> {
        let (mut bases, mut snapshots) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(self.dir)? {
            match names::parse(&entry?.file_name().to_string_lossy()) {
                Name::Log(base) => bases.push(base),
                Name::Snapshot(offset) => snapshots.push(offset),
                _ => {}
            }
        }
        bases.sort_unstable();
        snapshots.sort_unstable();
        Ok((bases, snapshots))
    }

    fn segment(
        &mut self,
        base: Offset,
        next: Option<Offset>,
        state: &mut State,
        is_known: bool,
    ) -> io::Result<Option<Damage>> {
        let path = names::file(self.dir, base, names::LOG);
        let dir: Rc<Path> = self.dir.into();
        let segment = Segment::begin(&dir, base, 0, 0);
        let interval = LogSettings::default().index_interval_bytes;
        let mut expected = if is_known { state.end.max(base) } else { base };
        let mut damage = None;
        let mut walk = Walk::open(&path)?;
        while let Some(item) = walk.next()? {
            let (position, what) = match item {
                Item::Zeros { .. } => break,
                // The next open cuts it off, and says then that the segment is finished.
                Item::LeftBehind { .. } => {
                    self.uncut.insert(path.clone());
                    break;
                }
                Item::Bad { position, what } => (position, Some(what.message().to_owned())),
                Item::Batch { position, batch } => {
                    // No epoch is before this one: an epoch alone is no reason to give up records.
                    let what = faults_of(&batch, expected, base, -1, next).into_iter().next();
                    if what.is_none() {
                        let header = Header::of(batch.header);
                        if is_known {
                            self.pass_snapshots(state, header.base_offset)?;
                            state.enter(&header, batch.bytes, &segment);
                        }
                        segment.note(&header, position, interval);
                        expected = header.last_offset() + 1;
                    }
                    (position, what)
                }
            };
            if let Some(what) = what {
                damage = Some(Damage { segment: base, position, offset: expected, what });
                break;
            }
        }
        if is_known {
            state.end = expected;
        }
        if damage.is_none() {
            segment.note_time();
            self.indexes(&segment, is_known)?;
        }
        Ok(damage)
    }

    fn indexes(&mut self, segment: &Segment, is_known: bool) -> io::Result<()> {
        let indexes = segment.indexes.borrow();
        let offsets = offset::encode(indexes.offset.fresh());
        let times = time::encode(indexes.time.fresh());
        let aborted = txn::encode(indexes.txn.fresh());
        let all = [
            (names::OFFSET_INDEX, offsets, offset::ENTRY),
            (names::TIME_INDEX, times, time::ENTRY),
            (names::TXN_INDEX, aborted, txn::ENTRY),
        ];
        for (suffix, bytes, size) in all {
            let path = segment.path(suffix);
            let is_txn = suffix == names::TXN_INDEX;
            let is_missing = !path.exists();
            // Without aborted transactions there is no such file.
            let wanted = if is_txn { !bytes.is_empty() && is_known } else { true };
            let wrong = self.faulty.contains(&path) && (!is_txn || is_known);
            if wrong || (is_missing && wanted) {
                let why = if is_missing { "it was missing" } else { "it did not fit its log" };
                let entries = bytes.len() / size;
                self.replace(&path, &bytes, format!("built again, {entries} entries: {why}"))?;
            }
        }
        Ok(())
    }

    /// A segment that is whole, with another one behind it: the snapshot of its end says so.
    fn boundary(&mut self, base: Offset, next: Offset, state: &mut State) -> io::Result<()> {
        self.pass_snapshots(state, next)?;
        let path = names::file(self.dir, next, names::SNAPSHOT);
        let log = names::file(self.dir, base, names::LOG);
        if path.exists() || self.faulty.contains(&log) || self.uncut.contains(&log) {
            return Ok(());
        }
        if !self.remedy.dry_run {
            File::open(&log)?.sync_all()?;
        }
        let bytes = producers::encode(&state.producers);
        let what = format!("made again, {} producers: it was missing", state.producers.len());
        self.replace(&path, &bytes, what)
    }

    /// Takes from the snapshots up to `offset`, where a batch begins, what they know, or makes those
    /// that are damaged again.
    fn pass_snapshots(&mut self, state: &mut State, offset: Offset) -> io::Result<()> {
        while let Some(&at) = state.snapshots.first().filter(|&&at| at <= offset) {
            state.snapshots.remove(0);
            let path = names::file(self.dir, at, names::SNAPSHOT);
            let is_gap = at >= state.end;
            let is_last = offset == Offset::MAX;
            if is_last && at > state.end {
                self.remove(&path, "removed: it lies behind the log's end")?;
                continue;
            }
            if !self.faulty.contains(&path) {
                // It knows producers whose batches are gone.
                if is_gap && let Ok(producers) = producers::decode(&fs::read(&path)?) {
                    state.producers = producers;
                }
                continue;
            }
            if is_gap {
                let bytes = producers::encode(&state.producers);
                let count = state.producers.len();
                self.replace(&path, &bytes, format!("made again, {count} producers: damaged"))?;
            } else {
                self.remove(&path, "removed: damaged, and no batch begins there")?;
            }
        }
        Ok(())
    }

    fn epochs(&mut self, epochs: &Epochs) -> io::Result<()> {
        let path = self.dir.join(names::EPOCHS);
        let is_missing = !path.exists();
        let wanted = is_missing && epochs.latest().is_some();
        if wanted || self.faulty.contains(&path) {
            let why = if is_missing { "it was missing" } else { "it was no table of epochs" };
            let count = epochs.entries().len();
            let what = format!("made again, {count} epochs: {why}");
            self.replace(&path, epochs.encode().as_bytes(), what)?;
        }
        Ok(())
    }
}

impl State {
    fn enter(&mut self, header: &Header, batch: &[u8], segment: &Segment) {
        if header.leader_epoch >= 0 {
            self.epochs.assign(LeaderEpoch(header.leader_epoch), header.base_offset);
        }
        if let Some(ended) = Said::of(header, batch, 0).apply(&mut self.producers, header) {
            segment.note_ended(&ended);
        }
        self.end = header.last_offset() + 1;
    }
}
