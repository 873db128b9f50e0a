//! Compaction: of records with the same key only the last one stays (Kafka's LogCleaner). One
//! cleaning at a time in a log, by a task of its core in the small share; the shard says when.
//!
//! A cleaning reads the dirty part for the last offset of each key ([`keys`]), then copies every
//! segment from the log's start to there without what is superseded ([`retain`], [`rewrite`]), small
//! neighbours into one ([`group`]), and puts the copies into their places ([`swap`]).
//!
//! It never touches what is not finished, not stable (an open transaction, or above the high
//! watermark), or what the checkpoint on disk speaks of: a recovery must find that as it was. What
//! it meets that it cannot read it leaves as it is, and the log is then cleaned no more.

mod group;
mod keys;
mod means;
mod policy;
mod retain;
mod rewrite;
mod source;
mod swap;
mod target;
mod transactions;

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;

use super::checkpoint::Entry;
use super::error::Error;
use super::index::{offset, time};
use super::segment::Segment;
use super::settings::Compaction;
use super::{Log, marker};
use crate::base::signal::Broadcast;
use crate::model::Offset;
use crate::rt;
use crate::wire::batch::Batch;
use keys::Keys;
use policy::{Bounds, Part};
use retain::Retention;
use rewrite::Rewritten;
use source::Source;
use target::Target;
use transactions::{Control, Transactions};

pub use means::Means;
pub use policy::Filth;

/// What a log knows of its cleanings.
pub(super) struct Cleaning {
    /// Everything below is clean.
    up_to: Cell<Offset>,
    /// Segments below were replaced since the log was opened.
    replaced: Cell<Offset>,
    /// The checkpoint on disk speaks of nothing below.
    checkpointed: Cell<Offset>,
    is_under_way: Cell<bool>,
    ended: Broadcast,
    /// The log is being closed.
    must_end: Cell<bool>,
    /// Something in it could not be read.
    has_failed: Cell<bool>,
}

impl Cleaning {
    /// `known` is what the checkpoint on disk says of the log.
    pub(super) fn new(known: Option<&Entry>) -> Cleaning {
        let checkpointed = known.map_or(Offset::MAX, |known| match known.segment {
            // Of Kafka, which says only an offset.
            ..0 => known.synced_offset,
            segment => segment,
        });
        Cleaning {
            up_to: Cell::new(known.map_or(0, |known| known.cleaned_offset)),
            replaced: Cell::new(0),
            checkpointed: Cell::new(checkpointed),
            is_under_way: Cell::new(false),
            ended: Broadcast::default(),
            must_end: Cell::new(false),
            has_failed: Cell::new(false),
        }
    }

    /// A checkpoint may come to disk that speaks of what begins at `offset`.
    pub(super) fn spare_from(&self, offset: Offset) {
        self.checkpointed.set(self.checkpointed.get().min(offset));
    }

    /// Has a cleaning that is under way end soon, and waits for that.
    pub(super) async fn end(&self) {
        self.must_end.set(true);
        while self.is_under_way.get() {
            self.ended.wait().await;
        }
    }
}

/// One cleaning under way; ends with its drop.
struct Round<'a>(&'a Cleaning);

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.0.is_under_way.set(false);
        self.0.ended.raise();
    }
}

/// Why a cleaning came to nothing.
enum Stopped {
    /// It was told to, or the log has changed under it.
    Told,
    Fault(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped::Fault(error)
    }
}

impl Log {
    /// Everything below was cleaned.
    pub fn cleaned_offset(&self) -> Offset {
        self.cleaning.up_to.get()
    }

    /// Whether the file that holds an offset is another one than that which the tail went to.
    pub(super) fn is_replaced(&self, offset: Offset) -> bool {
        offset < self.cleaning.replaced.get()
    }

    /// How dirty the log is, if it is dirty enough to be cleaned.
    pub async fn filth(&self) -> Result<Option<Filth>, Error> {
        let filth = self.filth_below(Offset::MAX).await;
        self.cleaning.has_failed.set(self.cleaning.has_failed.get() || filth.is_err());
        filth
    }

    /// Whether some of this is kept from cleaning by the checkpoint on disk; a later one may not
    /// speak of it any more.
    pub fn awaits_checkpoint(&self, filth: &Filth) -> bool {
        filth.first_uncleanable_offset > self.cleaning.checkpointed.get()
    }

    /// Makes sure that the next checkpoint speaks of the active segment.
    pub async fn prepare_checkpoint(&self) -> Result<(), Error> {
        self.active().make_file().await
    }

    /// This entry is in the checkpoint on disk.
    pub fn note_checkpoint(&self, entry: &Entry) {
        self.cleaning.checkpointed.set(entry.segment);
    }

    /// Cleans what may be cleaned, if it is worth it, and says up to where. `None` when there was
    /// nothing to do, or the cleaning was stopped. An error that is no full disk is the last: the
    /// log serves on as it is and is cleaned no more.
    pub async fn clean(&self, means: &Means) -> Result<Option<Offset>, Error> {
        if self.cleaning.is_under_way.replace(true) {
            return Ok(None);
        }
        let _round = Round(&self.cleaning);
        let stopped = match self.clean_round(means).await {
            Ok(None) => return Ok(None),
            Ok(Some(end)) => {
                self.cleaning.up_to.set(end);
                return Ok(Some(end));
            }
            Err(stopped) => stopped,
        };
        // What is left all the same is removed before the next cleaning, or by the next open.
        let _ = target::remove_leftovers(&self.dir).await;
        match stopped {
            Stopped::Fault(error) if !self.failure().is_some_and(|failure| failure.is_closed()) => {
                self.cleaning.has_failed.set(!error.is_disk_full());
                Err(error)
            }
            _ => Ok(None),
        }
    }

    async fn filth_below(&self, limit: Offset) -> Result<Option<Filth>, Error> {
        let Some(compaction) = self.settings.get().compaction else { return Ok(None) };
        if self.cleaning.has_failed.get() || self.failure().is_some() {
            return Ok(None);
        }
        let (segments, active_base_offset) = self.finished_below(limit);
        let mut parts = Vec::with_capacity(segments.len());
        for segment in &segments {
            if compaction.min_lag_ms > 0 {
                segment.learn_timestamps().await?;
            }
            if compaction.max_lag_ms < i64::MAX {
                segment.learn_first_timestamp().await?;
            }
            parts.push(Part {
                base_offset: segment.base_offset,
                bytes: segment.len.get(),
                max_timestamp: segment.max_timestamp.get(),
                first_timestamp: segment.first_timestamp.get(),
            });
        }
        let bounds = Bounds {
            log_start_offset: self.log_start_offset.get(),
            log_end_offset: self.end_offset.get(),
            last_stable_offset: self.last_stable_offset(),
            active_base_offset,
        };
        let now_ms = self.budget.steady_ms();
        let filth = policy::measure(&parts, self.cleaned_offset(), &bounds, &compaction, now_ms);
        Ok(filth.is_due(&compaction).then_some(filth))
    }

    /// The finished segments from the first on that end at or below `limit`, and where the one
    /// behind them begins.
    fn finished_below(&self, limit: Offset) -> (Vec<Rc<Segment>>, Offset) {
        let segments = self.segments.borrow();
        let ends_below =
            |pair: &[Rc<Segment>]| pair[0].finished.get() && pair[1].base_offset <= limit;
        let count = segments.windows(2).take_while(|pair| ends_below(pair)).count();
        (segments[..count].to_vec(), segments[count].base_offset)
    }

    async fn clean_round(&self, means: &Means) -> Result<Option<Offset>, Stopped> {
        let Some(filth) = self.filth_below(self.cleaning.checkpointed.get()).await? else {
            return Ok(None);
        };
        // No checkpoint to come shall speak of what is cleaned now.
        self.prepare_checkpoint().await?;
        target::remove_leftovers(&self.dir).await?;
        let compaction = self.go_on(means)?;
        let now_ms = self.budget.steady_ms();
        let (mut segments, _) = self.finished_below(filth.first_uncleanable_offset);
        let keys = self.learn_keys(&segments, &filth, means).await?;
        let end = keys.latest() + 1;
        let mut ends: Vec<Offset> = segments.iter().map(|one| one.base_offset).skip(1).collect();
        ends.push(filth.first_uncleanable_offset);
        segments.retain(|segment| segment.base_offset < end);
        let sizes: Vec<group::Size> = segments.iter().map(|one| size_of(one)).collect();
        let settings = self.settings.get();
        let index_bytes_max = settings.segment_index_bytes;
        let last = segments.len().checked_sub(1).map_or(end, |last| ends[last]);
        let runs = group::runs(&sizes, last, settings.segment_bytes, index_bytes_max);
        let mut transactions = Transactions::default();
        for run in runs {
            let run_end = ends[run.end - 1];
            let producers = retain::last_of(&self.producers.borrow());
            let rule = Retention {
                keys: &keys,
                producers: &producers,
                end_offset: run_end,
                now_ms,
                delete_retention_ms: compaction.delete_retention_ms,
            };
            self.clean_run(&segments[run], &rule, &mut transactions, means).await?;
        }
        Ok(Some(end))
    }

    /// Fails when the cleaning shall end; the settings that hold otherwise.
    fn go_on(&self, means: &Means) -> Result<Compaction, Stopped> {
        let is_over = !means.is_allowed.get() || self.cleaning.must_end.get();
        match self.settings.get().compaction {
            Some(compaction) if !is_over && self.failure().is_none() => Ok(compaction),
            _ => Err(Stopped::Told),
        }
    }

    /// Between two batches: lets others run, and looks whether to go on.
    async fn pause(&self, means: &Means, bytes: u64) -> Result<(), Stopped> {
        if bytes > 0 {
            means.spend(bytes).await;
        }
        if rt::should_yield() {
            rt::yield_now().await;
        }
        self.go_on(means).map(drop)
    }

    /// The last offset of each key in the dirty part, or in as much of it as there is memory for.
    async fn learn_keys(
        &self,
        segments: &[Rc<Segment>],
        filth: &Filth,
        means: &Means,
    ) -> Result<Keys, Stopped> {
        let (from, to) = (filth.first_dirty_offset, filth.first_uncleanable_offset);
        let secret = [(); 2].map(|()| RandomState::new().build_hasher().finish());
        let expected = (to - from).max(0) as u64;
        let (bytes, load) = (means.memory_bytes.get(), means.load_factor.get());
        let mut keys = Keys::new(bytes, load, expected, secret);
        let mut transactions = Transactions::default();
        transactions.learn(&self.aborted_between(from, to));
        for (index, segment) in segments.iter().enumerate() {
            let end = segments.get(index + 1).map_or(to, |next| next.base_offset);
            if end <= from {
                continue;
            }
            if !self.learn_segment(segment, from, &mut keys, &mut transactions, means).await? {
                return Ok(keys);
            }
            // There may be a gap up to the next segment.
            keys.reach(end - 1);
        }
        Ok(keys)
    }

    /// False when there is no room for another key.
    async fn learn_segment(
        &self,
        segment: &Rc<Segment>,
        from: Offset,
        keys: &mut Keys,
        transactions: &mut Transactions,
        means: &Means,
    ) -> Result<bool, Stopped> {
        let position = match from > segment.base_offset {
            true => segment.locate(from).await?.map_or(segment.len.get(), |found| found.position),
            false => 0,
        };
        let mut source = self.open_source(segment, position).await?;
        while let Some(batch) = source.next().await? {
            let header = batch.header;
            let len = header.size();
            let is_whole = if header.is_control() {
                transactions.on_control(
                    control_of(&batch),
                    header.producer_id(),
                    header.last_offset(),
                );
                Ok(true)
            } else if header.is_transactional()
                && transactions.on_data(header.producer_id(), header.last_offset())
            {
                Ok(true)
            } else {
                rewrite::visit_keys(&batch, |offset, key| {
                    key.filter(|_| offset >= from).is_none_or(|key| keys.put(key, offset))
                })
            };
            let last_offset = header.last_offset();
            if !is_whole.map_err(|what| source.fault(len, what))? {
                return Ok(false);
            }
            if last_offset >= from {
                keys.reach(last_offset);
            }
            let bytes = source.take_bytes_read();
            self.pause(means, bytes).await?;
        }
        Ok(true)
    }

    /// A segment may be deleted while it waits its turn: then the cleaning has lost its ground.
    async fn open_source(&self, segment: &Rc<Segment>, position: u64) -> Result<Source, Stopped> {
        let opened = Source::open(segment, position).await;
        opened.map_err(|error| match self.consists_of(std::slice::from_ref(segment)) {
            true => Stopped::Fault(error),
            false => Stopped::Told,
        })
    }

    /// Makes one segment out of some neighbours.
    async fn clean_run(
        &self,
        run: &[Rc<Segment>],
        rule: &Retention<'_>,
        transactions: &mut Transactions,
        means: &Means,
    ) -> Result<(), Stopped> {
        let interval = self.settings.get().index_interval_bytes;
        let mut target = Target::create(&self.dir, run[0].base_offset).await?;
        let mut is_changed = run.len() > 1;
        for (index, segment) in run.iter().enumerate() {
            let end = run.get(index + 1).map_or(rule.end_offset, |next| next.base_offset);
            transactions.learn(&self.aborted_between(segment.base_offset, end));
            let mut source = self.open_source(segment, 0).await?;
            while let Some(batch) = source.next().await? {
                let header = batch.header;
                let len = header.size();
                let (producer_id, last_offset) = (header.producer_id(), header.last_offset());
                let may_go = if header.is_control() {
                    let control = control_of(&batch);
                    let (is_spent, aborted) =
                        transactions.on_control(control, producer_id, last_offset);
                    aborted.into_iter().for_each(|aborted| target.note_aborted(aborted));
                    is_spent
                } else {
                    header.is_transactional() && transactions.on_data(producer_id, last_offset)
                };
                let written = match rewrite::rewrite(&batch, rule, may_go) {
                    Ok(Rewritten::Gone) => {
                        is_changed = true;
                        0
                    }
                    Ok(Rewritten::AsItIs) => target.push(batch.bytes, interval).await?,
                    Ok(Rewritten::Anew(bytes)) => {
                        is_changed = true;
                        target.push(&bytes, interval).await?
                    }
                    Err(what) => return Err(source.fault(len, what).into()),
                };
                let read = source.take_bytes_read();
                self.pause(means, read + written).await?;
            }
        }
        if !is_changed {
            target::remove_leftovers(&self.dir).await?;
            return Ok(());
        }
        let new = target.finish(rule.end_offset).await?;
        self.go_on(means)?;
        if self.swap_in(new, run).await? { Ok(()) } else { Err(Stopped::Told) }
    }
}

fn size_of(segment: &Segment) -> group::Size {
    let indexes = segment.indexes.borrow();
    group::Size {
        base_offset: segment.base_offset,
        bytes: segment.len.get(),
        offset_index_bytes: (indexes.offset.len() * offset::ENTRY) as u64,
        time_index_bytes: (indexes.time.len() * time::ENTRY) as u64,
    }
}

fn control_of(batch: &Batch<'_>) -> Control {
    if batch.header.record_count() == 0 {
        return Control::Empty;
    }
    match marker::read(batch.bytes, 0) {
        Some(marker) if marker.commit => Control::Commit,
        Some(_) => Control::Abort,
        None => Control::Other,
    }
}
