//! Deciding what to trust, what to scan, and what the scan means.

use std::path::Path;
use std::rc::Rc;

use super::inventory::{self, Files, Inventory};
use super::replay::Replay;
use super::{Recovered, State};
use crate::base::planted;
use crate::log::checkpoint::Entry;
use crate::log::clean::Cleaning;
use crate::log::epochs::Epochs;
use crate::log::error::{At, Error};
use crate::log::index::{offset, time, txn};
use crate::log::producers::{self, Producers};
use crate::log::scan::LEFT_BEHIND;
use crate::log::segment::{Restored, Segment};
use crate::log::settings::LogSettings;
use crate::log::{names, partition_metadata};
use crate::model::{Offset, TopicId};
use crate::rt::{self, file};

/// Where scanning begins, and up to where nothing may be missing.
#[derive(Clone, Copy)]
struct Ground {
    segment: Offset,
    position: u64,
    offset: Offset,
    synced_offset: Offset,
}

pub(super) async fn recover(
    dir: &Rc<Path>,
    settings: &LogSettings,
    known: Option<&Entry>,
) -> Result<State, Error> {
    // Whoever made the directory may have died before it was durable.
    if let Some(parent) = dir.parent() {
        file::sync_dir(parent).await.at(parent)?;
    }
    let inventory = inventory::take(dir).await?;
    let topic = if inventory.has_metadata { read_metadata(dir).await? } else { None };
    let known = known.filter(|known| topic.is_none_or(|topic| topic == known.topic_id));
    let Some((&first, _)) = inventory.segments.first_key_value() else {
        return empty(dir, topic.unwrap_or_default(), &inventory, known).await;
    };
    let log_start_offset = known.map_or(first, |known| known.log_start_offset.max(first));
    let is_clean = known.is_some_and(|known| is_clean(&inventory, known));
    let ground = ground(dir, &inventory, known)?;

    let mut epochs = read_epochs(dir, &inventory).await?;
    let until = if is_clean { ground.synced_offset } else { ground.offset };
    let epochs_kept = !epochs.truncate_end(until) && is_clean;
    let places = places(dir, &inventory, known.is_some_and(Entry::is_foreign));
    let plans = places.iter().map(|place| plan(place, known, &ground, is_clean));
    let plans: Vec<Plan> = plans.collect();
    // A segment that is read from its first byte on tells which transactions it aborted, to somebody
    // who knows the producers from there on.
    let first_whole = plans.iter().position(|plan| matches!(plan, Plan::Whole));
    let producers_until = first_whole.map_or(until, |at| until.min(places[at].base));
    let (producers, producers_from) = match known {
        Some(known) if known.producer_count == 0 && known.synced_offset == producers_until => {
            (Producers::default(), until)
        }
        _ => read_producers(dir, &inventory.snapshots, producers_until, log_start_offset).await?,
    };
    let epochs_from = if epochs.latest().is_some() { until } else { 0 };
    let mut replay = Replay {
        interval: settings.index_interval_bytes,
        producers,
        producers_from,
        epochs,
        epochs_from,
        recovered: Recovered::default(),
    };
    let mut segments: Vec<Rc<Segment>> = Vec::new();
    for (at, (place, plan)) in places.iter().zip(plans).enumerate() {
        let (segment, is_cut) = place.bring_back(plan, &ground, &mut replay).await?;
        segments.push(Rc::new(segment));
        if is_cut {
            let behind = places[at + 1..].iter().map(|place| place.base);
            drop_segments(dir, behind, &mut replay.recovered).await?;
            break;
        }
    }
    let end = segments.last().map_or(first, |segment| segment.end_offset.get());
    for &offset in inventory.snapshots.iter().filter(|&&offset| offset > end) {
        let path = names::file(dir, offset, names::SNAPSHOT);
        file::remove_file(&path).await.at(&path)?;
    }
    file::sync_dir(dir).await.at(dir)?;
    let mut snapshots = inventory.snapshots;
    snapshots.retain(|&offset| offset <= end);
    snapshots.sort_unstable();
    Ok(State {
        topic_id: topic.unwrap_or_default(),
        snapshots,
        segments,
        producers: replay.producers,
        epochs: replay.epochs,
        epochs_kept,
        log_start_offset: log_start_offset.min(end),
        high_watermark: known.map_or(log_start_offset, |known| known.high_watermark),
        recovered: replay.recovered,
        clean: known.filter(|_| is_clean).cloned(),
        cleaning: Cleaning::new(known),
    })
}

/// A log whose segments were never written, or all removed.
async fn empty(
    dir: &Rc<Path>,
    topic_id: TopicId,
    inventory: &Inventory,
    known: Option<&Entry>,
) -> Result<State, Error> {
    if let Some(known) = known
        && known.synced_offset > known.log_start_offset
    {
        return Err(Error::corrupt(dir, 0, "its segments are missing"));
    }
    // A snapshot outlives the segments before it, and says where they ended.
    let by_snapshot = inventory.snapshots.iter().copied().max().unwrap_or(0);
    let start = known.map_or(by_snapshot, |known| known.synced_offset.max(by_snapshot));
    let (producers, _) = read_producers(dir, &inventory.snapshots, start, start).await?;
    let mut epochs = read_epochs(dir, inventory).await?;
    let cut = epochs.truncate_end(start);
    let epochs_kept = !cut && inventory.has_epochs == epochs.latest().is_some();
    Ok(State {
        topic_id,
        snapshots: inventory.snapshots.clone(),
        segments: vec![Rc::new(Segment::begin(dir, start, 0, rt::unix_ms()))],
        producers,
        epochs,
        epochs_kept,
        log_start_offset: start,
        high_watermark: start,
        recovered: Recovered::default(),
        clean: None,
        cleaning: Cleaning::new(known),
    })
}

/// True when the files are as a clean close left them.
fn is_clean(inventory: &Inventory, known: &Entry) -> bool {
    let Some((&base, files)) = inventory.segments.last_key_value() else { return false };
    let entries = |len: Option<u64>, count: u32, size: usize| {
        len.unwrap_or(0) == u64::from(count) * size as u64
    };
    known.clean
        && known.segment == base
        && files.log == Some(known.position)
        && entries(files.offset_index, known.active.offset_entries, offset::ENTRY)
        && entries(files.time_index, known.active.time_entries, time::ENTRY)
}

fn ground(dir: &Path, inventory: &Inventory, known: Option<&Entry>) -> Result<Ground, Error> {
    let (&first, _) = inventory.segments.first_key_value().expect("asked with segments");
    let whole = Ground { segment: first, position: 0, offset: first, synced_offset: first };
    let Some(known) = known else { return Ok(whole) };
    if known.is_foreign() {
        let holder = inventory.segments.range(..=known.synced_offset).next_back();
        let segment = holder.map_or(first, |(&base, _)| base);
        let synced_offset = known.synced_offset;
        return Ok(Ground { segment, position: 0, offset: segment, synced_offset });
    }
    let Some(files) = inventory.segments.get(&known.segment) else {
        let (&last, _) = inventory.segments.last_key_value().expect("asked with segments");
        if last < known.segment && known.position > 0 {
            let path = names::file(dir, known.segment, names::LOG);
            return Err(Error::corrupt(&path, 0, "the file is missing"));
        }
        return Ok(Ground { synced_offset: known.synced_offset, ..whole });
    };
    if files.log.is_none_or(|len| len < known.position) {
        let path = names::file(dir, known.segment, names::LOG);
        return Err(Error::corrupt(
            &path,
            known.position,
            "the file is shorter than what was synced",
        ));
    }
    Ok(Ground {
        segment: known.segment,
        position: known.position,
        offset: known.synced_offset,
        synced_offset: known.synced_offset,
    })
}

/// How one segment is brought back.
enum Plan {
    /// As it lies.
    Trust(Restored),
    /// From its first byte on, indexes anew.
    Whole,
    /// From the checkpoint on, with what the checkpoint says of the bytes before.
    From(Restored),
}

/// One segment among the others.
struct Place<'a> {
    dir: &'a Rc<Path>,
    base: Offset,
    files: Files,
    /// Base offset of the segment behind it.
    next: Option<Offset>,
    /// The snapshot of its end is there, which is written when all else is durable.
    was_finished: bool,
    /// It may have been cleaned, and need not have such a snapshot then.
    is_foreign: bool,
}

fn places<'a>(dir: &'a Rc<Path>, inventory: &Inventory, is_foreign: bool) -> Vec<Place<'a>> {
    let mut places: Vec<Place<'a>> = Vec::with_capacity(inventory.segments.len());
    let mut next = None;
    for (&base, &files) in inventory.segments.iter().rev() {
        let was_finished = next.is_some_and(|next| inventory.snapshots.contains(&next));
        places.push(Place { dir, base, files, next, was_finished, is_foreign });
        next = Some(base);
    }
    places.reverse();
    places
}

fn plan(place: &Place<'_>, known: Option<&Entry>, ground: &Ground, is_clean: bool) -> Plan {
    let Some(known) = known else { return Plan::Whole };
    let Place { base, files, next, .. } = *place;
    let entries = |len: Option<u64>, size: usize| len.unwrap_or(0) as usize / size;
    let in_files = Restored {
        len: files.log.unwrap_or(0),
        end_offset: next.unwrap_or(base),
        facts: None,
        offset_entries: entries(files.offset_index, offset::ENTRY),
        time_entries: entries(files.time_index, time::ENTRY),
        txn_entries: entries(files.txn_index, txn::ENTRY),
    };
    let at_checkpoint = Restored {
        len: ground.position,
        end_offset: ground.offset,
        facts: Some(known.active),
        offset_entries: known.active.offset_entries as usize,
        time_entries: known.active.time_entries as usize,
        txn_entries: known.active.txn_entries as usize,
    };
    if is_clean && next.is_none() {
        return Plan::Trust(at_checkpoint);
    }
    let has_indexes = files.offset_index.is_some() && files.time_index.is_some();
    let finished = is_clean || base < known.first_unfinished.min(ground.segment);
    if next.is_some() && has_indexes && finished {
        return Plan::Trust(in_files);
    }
    let usable = at_checkpoint.offset_entries <= in_files.offset_entries
        && at_checkpoint.time_entries <= in_files.time_entries
        && at_checkpoint.txn_entries <= in_files.txn_entries;
    if base == known.segment && ground.position > 0 && usable {
        Plan::From(at_checkpoint)
    } else {
        Plan::Whole
    }
}

impl Place<'_> {
    /// The segment, and whether the log ends in it although others follow.
    async fn bring_back(
        &self,
        plan: Plan,
        ground: &Ground,
        replay: &mut Replay,
    ) -> Result<(Segment, bool), Error> {
        let (segment, position, offset) = match plan {
            Plan::Trust(restored) => {
                replay
                    .producers_only(self.dir, self.base, restored.len, restored.end_offset)
                    .await?;
                let segment = Segment::restore(self.dir, self.base, restored);
                segment.finished.set(self.next.is_some());
                segment.load_txn_index().await?;
                return Ok((segment, false));
            }
            Plan::Whole => {
                replay.recovered.rebuilt_indexes += 1;
                (Segment::begin(self.dir, self.base, u64::MAX, rt::unix_ms()), 0, self.base)
            }
            Plan::From(restored) => {
                let (position, offset) = (restored.len, restored.end_offset);
                replay.producers_only(self.dir, self.base, position, offset).await?;
                let segment = Segment::restore(self.dir, self.base, restored);
                segment.load_txn_index().await?;
                (segment, position, offset)
            }
        };
        let end = replay.segment(&segment, position, offset).await?;
        let end_offset = segment.end_offset.get();
        // A finished segment may end below the next one: compaction leaves gaps.
        let is_exact = end.why.is_none()
            && end.position == end.file_len
            && (self.was_finished || self.is_foreign);
        let goes_on = self.next.is_none_or(|next| end_offset == next) || is_exact;
        let needed = ground.synced_offset.min(self.next.unwrap_or(Offset::MAX));
        let is_damage = (end_offset < needed && !is_exact) || (!goes_on && self.was_finished);
        if is_damage && !planted::is("cut-what-is-damaged") {
            let why = end.why.unwrap_or("the log ends too early");
            return Err(Error::corrupt(&segment.log_path(), end.position, why));
        }
        if let Some(why) = end.why
            && why != LEFT_BEHIND
        {
            replay.recovered.cut = Some((segment.log_path(), end.position, why));
        }
        let is_closed = self.next.is_some() && goes_on;
        segment.settle(is_closed).await?;
        if is_closed && !self.was_finished && replay.producers_from <= end_offset {
            let path = names::file(self.dir, end_offset, names::SNAPSHOT);
            let bytes = producers::encode(&replay.producers);
            file::write_whole(&path, &bytes).await.at(&path)?;
        }
        Ok((segment, !goes_on))
    }
}

async fn drop_segments(
    dir: &Path,
    bases: impl Iterator<Item = Offset>,
    recovered: &mut Recovered,
) -> Result<(), Error> {
    for base in bases {
        recovered.dropped_segments += 1;
        for suffix in [names::LOG, names::OFFSET_INDEX, names::TIME_INDEX, names::TXN_INDEX] {
            let path = names::file(dir, base, suffix);
            if file::exists(&path).await.at(&path)? {
                file::remove_file(&path).await.at(&path)?;
            }
        }
    }
    Ok(())
}

pub(in crate::log) async fn read_metadata(dir: &Path) -> Result<Option<TopicId>, Error> {
    let path = dir.join(names::PARTITION_METADATA);
    let bytes = file::read_whole(&path).await.at(&path)?;
    let text = std::str::from_utf8(&bytes).ok();
    match text.and_then(partition_metadata::decode) {
        Some(topic) => Ok(Some(topic)),
        None => Err(Error::corrupt(&path, 0, "not a partition.metadata")),
    }
}

/// An unreadable file counts as none: the scan and later records bring the epochs back.
async fn read_epochs(dir: &Path, inventory: &Inventory) -> Result<Epochs, Error> {
    if !inventory.has_epochs {
        return Ok(Epochs::default());
    }
    let path = dir.join(names::EPOCHS);
    let bytes = file::read_whole(&path).await.at(&path)?;
    Ok(std::str::from_utf8(&bytes).ok().and_then(Epochs::decode).unwrap_or_default())
}

/// The newest readable snapshot at or below `until`, and its offset.
async fn read_producers(
    dir: &Path,
    snapshots: &[Offset],
    until: Offset,
    log_start_offset: Offset,
) -> Result<(Producers, Offset), Error> {
    let mut below: Vec<Offset> =
        snapshots.iter().copied().filter(|&offset| offset <= until).collect();
    below.sort_unstable_by(|a, b| b.cmp(a));
    for offset in below {
        let path = names::file(dir, offset, names::SNAPSHOT);
        let bytes = file::read_whole(&path).await.at(&path)?;
        if let Ok(producers) = producers::decode(&bytes) {
            return Ok((producers, offset));
        }
        file::remove_file(&path).await.at(&path)?;
    }
    Ok((Producers::default(), log_start_offset))
}
