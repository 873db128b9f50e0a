//! From the tail to the device: what is in flight, in which order it counts, when it is synced.
//!
//! Up to four direct writes of at most 1 MiB are in flight. While plenty is pending only whole
//! sectors are written and the rest is left for the next write; a quiet log writes its last sector
//! padded with zeros and writes it again when it has more, never two writes of one sector at a
//! time. Writes count strictly in order: what lies behind a hole is not durable. A sync follows
//! when the writes that were under way are done, and covers all of them; small writes wait for it,
//! so that everything which arrived meanwhile goes out together.
//!
//! Any error of a write or sync ends the log until it is opened again: it is never tried again,
//! because the kernel may have forgotten what it failed to write. Only a full disk is waited for,
//! and it is met while reserving room, before anything is written.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::error::Error;
use super::segment::{Segment, SyncGate, SyncTurn};
use super::tail::{sector_ceil, sector_floor};
use super::{Log, names};
use crate::base::planted;
use crate::model::{DurabilityLevel, Offset};
use crate::rt;

/// Bytes that are worth a write of their own while others are in flight.
const WRITE_WORTHWHILE: u64 = 256 << 10;
const WRITE_MAX: u64 = 1 << 20;
const WRITES_IN_FLIGHT_MAX: usize = 4;
/// How long a full disk is left alone before room is asked for again.
pub(super) const DISK_FULL_PAUSE: Duration = Duration::from_millis(500);

/// How far a log has got. Offsets are those behind the last record that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub written_offset: Offset,
    pub synced_offset: Offset,
}

struct Write {
    segment: Rc<Segment>,
    /// The device's range, aligned, as addresses.
    to: u64,
    /// Address up to which it carries bytes.
    reach: u64,
    from: u64,
    op: rt::file::Pending,
    done: bool,
}

struct Sync {
    segment: Rc<Segment>,
    /// What it makes durable.
    reach: u64,
    offset: Offset,
    op: rt::file::Pending,
    turn: SyncTurn,
}

/// The end of one append: address, offset, bytes.
pub(super) struct Mark {
    pub(super) end: u64,
    pub(super) offset: Offset,
    pub(super) bytes: usize,
}

/// What is on its way to the device.
pub(super) struct Pipeline {
    /// Appends that are not wholly written.
    marks: VecDeque<Mark>,
    writes: VecDeque<Write>,
    sync: Option<Sync>,
    /// Everything below was given to the device.
    issued: u64,
    /// Everything below is on stable media.
    synced: u64,
    /// The next sync waits until this is written.
    group: u64,
    /// Somebody asked for everything below to be synced, as an address and as an offset.
    sync_wanted: u64,
    sync_wanted_offset: Offset,
    busy: bool,
}

impl Pipeline {
    /// Begins with everything below `address` on stable media.
    pub(super) fn new(address: u64) -> Pipeline {
        Pipeline {
            marks: VecDeque::new(),
            writes: VecDeque::new(),
            sync: None,
            issued: address,
            synced: address,
            group: 0,
            sync_wanted: 0,
            sync_wanted_offset: 0,
            busy: false,
        }
    }

    pub(super) fn appended(&mut self, mark: Mark) {
        self.marks.push_back(mark);
    }

    fn want_sync(&mut self, address: u64, offset: Offset) {
        self.sync_wanted = self.sync_wanted.max(address);
        self.sync_wanted_offset = self.sync_wanted_offset.max(offset);
    }

    pub(super) fn unwritten_bytes(&self) -> usize {
        self.marks.iter().map(|mark| mark.bytes).sum()
    }
}

/// What the pump found to do next.
enum Turn {
    Progressed,
    /// This segment's file must be made ready up to this position before anything can go on.
    Needs(Rc<Segment>, u64),
    /// A segment is being finished, and its file synced.
    Waits(Rc<SyncGate>),
}

/// What is in the way of writing and syncing more.
#[derive(Default)]
struct Obstacles {
    unready: Option<(Rc<Segment>, u64)>,
    syncing: Option<Rc<SyncGate>>,
}

impl Log {
    /// True when `flush_step` has something to do for the level that the log works for.
    pub fn is_dirty(&self) -> bool {
        if self.failure().is_some() {
            return false;
        }
        let pipeline = self.pipeline.borrow();
        !pipeline.marks.is_empty() || self.wants_sync(&pipeline)
    }

    fn wants_sync(&self, pipeline: &Pipeline) -> bool {
        let written = self.tail.written();
        let synced_level = self.settings.get().durability == DurabilityLevel::Synced;
        pipeline.synced < written && (synced_level || pipeline.synced < pipeline.sync_wanted)
    }

    pub fn progress(&self) -> Progress {
        Progress {
            written_offset: self.written_offset.get(),
            synced_offset: self.synced_offset.get(),
        }
    }

    /// Gives the device what waits for it, waits for the oldest operation under way, and says how
    /// far the log has got. Loop over it while [`Log::is_dirty`]. A second caller waits for the
    /// first one's step.
    pub async fn flush_step(&self) -> Result<Progress, Error> {
        if self.pipeline.borrow().busy {
            self.stepped.wait().await;
            return self.failure().map_or(Ok(self.progress()), Err);
        }
        self.pipeline.borrow_mut().busy = true;
        let _idle = Idle(self);
        match self.step().await {
            Ok(()) => Ok(self.progress()),
            Err(error) => {
                self.fail(error.clone());
                Err(error)
            }
        }
    }

    async fn step(&self) -> Result<(), Error> {
        loop {
            if let Some(error) = self.failure() {
                return Err(error);
            }
            if !self.is_dirty() {
                return Ok(());
            }
            let (segment, end) = match poll_fn(|cx| self.pump(cx)).await? {
                Turn::Progressed => return Ok(()),
                Turn::Needs(segment, end) => (segment, end),
                Turn::Waits(gate) => {
                    gate.freed().await;
                    continue;
                }
            };
            match segment.make_ready(end, self.settings.get().growth(), &self.room).await {
                Ok(()) => {}
                Err(error) if error.is_disk_full() => {
                    *self.disk_full.borrow_mut() = Some(error);
                    self.room.was_full();
                    rt::sleep(DISK_FULL_PAUSE).await;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// True while there is something that a loss of power may take; false when the log has failed.
    pub fn is_unsynced(&self) -> bool {
        self.synced_offset.get() < self.end_offset.get() && self.failure().is_none()
    }

    /// Has the flush sync what was appended before the call, whatever the log's level.
    pub fn ask_sync(&self) {
        self.pipeline.borrow_mut().want_sync(self.tail.end(), self.end_offset.get());
    }

    /// Kafka: `flush.messages`. Asks for a sync when so many were appended since the last that was
    /// asked for.
    pub(super) fn count_towards_sync(&self, flush_messages: i64) {
        let asked = self.pipeline.borrow().sync_wanted_offset.max(self.synced_offset.get());
        if self.end_offset.get() - asked >= flush_messages && !planted::is("forget-flush-messages")
        {
            self.ask_sync();
        }
    }

    /// Writes and syncs everything that was appended before the call. On a full disk it does not
    /// wait for room: it says so, and later calls go on.
    pub async fn sync(&self) -> Result<Progress, Error> {
        let offset = self.end_offset.get();
        self.ask_sync();
        while self.synced_offset.get() < offset {
            // Whoever drives the flush asks for room again and again already.
            let is_full = self.disk_full.borrow().is_some();
            if !(is_full && self.pipeline.borrow().busy) {
                self.flush_step().await?;
            }
            if let Some(error) = self.disk_full.borrow().clone() {
                return Err(error);
            }
        }
        Ok(self.progress())
    }

    /// Segments that were written are no more: nothing of them waits for a sync.
    pub(super) fn pass_over(&self, gone: &[Rc<Segment>]) {
        let Some(last) = gone.last() else { return };
        let address = self.address_after(last);
        // A segment from before the start was never in the pipeline.
        if last.address.get() != u64::MAX {
            let mut pipeline = self.pipeline.borrow_mut();
            pipeline.issued = pipeline.issued.max(address);
            pipeline.synced = pipeline.synced.max(address);
            self.synced_offset.set(self.synced_offset.get().max(last.end_offset.get()));
        }
    }

    fn pump(&self, cx: &mut Context<'_>) -> Poll<Result<Turn, Error>> {
        let mut pipeline = self.pipeline.borrow_mut();
        let pipeline = &mut *pipeline;
        let mut progressed = false;
        loop {
            let obstacles = self.issue(pipeline);
            let moved = self.reap(pipeline, cx)?;
            progressed |= moved;
            if moved {
                continue;
            }
            if progressed {
                return Poll::Ready(Ok(Turn::Progressed));
            }
            let idle = pipeline.writes.is_empty() && pipeline.sync.is_none();
            return match obstacles {
                _ if !idle => Poll::Pending,
                Obstacles { unready: Some((segment, end)), .. } => {
                    Poll::Ready(Ok(Turn::Needs(segment, end)))
                }
                Obstacles { syncing: Some(gate), .. } => Poll::Ready(Ok(Turn::Waits(gate))),
                _ => Poll::Ready(Ok(Turn::Progressed)),
            };
        }
    }

    /// Starts what may be started; says what is in the way of more.
    fn issue(&self, pipeline: &mut Pipeline) -> Obstacles {
        let mut obstacles = Obstacles::default();
        if pipeline.sync.is_none() && self.wants_sync(pipeline) {
            obstacles.syncing = self.issue_sync(pipeline);
        }
        while pipeline.writes.len() < WRITES_IN_FLIGHT_MAX && !pipeline.marks.is_empty() {
            let segment = self.segment_at(pipeline.issued);
            let base = segment.address.get();
            let end = base + segment.len.get();
            let closed = !Rc::ptr_eq(&segment, &self.active());
            if pipeline.issued >= end {
                if !closed {
                    break;
                }
                pipeline.issued = self.address_after(&segment);
                continue;
            }
            let from = sector_floor(pipeline.issued);
            let shares = pipeline.writes.back().is_some_and(|last| last.to > from);
            if shares && !planted::is("write-a-sector-twice-at-once") {
                break;
            }
            let whole = sector_floor(end) - from;
            let alone = pipeline.writes.is_empty() && pipeline.sync.is_none();
            let to = if closed {
                sector_ceil(end).min(from + WRITE_MAX)
            } else if whole >= WRITE_WORTHWHILE {
                from + whole.min(WRITE_MAX)
            } else if alone {
                sector_ceil(end)
            } else {
                break;
            };
            let Some(writer) = segment.writer().filter(|_| segment.is_ready(to - base)) else {
                obstacles.unready = Some((segment, to - base));
                break;
            };
            let reach = to.min(end);
            let op = writer.write_at(self.tail.device_slices(from, to), from - base);
            pipeline.writes.push_back(Write { segment, to, reach, from, op, done: false });
            pipeline.issued = reach;
            self.disk_full.take();
        }
        obstacles
    }

    /// Starts a sync, or says which other one must end before.
    fn issue_sync(&self, pipeline: &mut Pipeline) -> Option<Rc<SyncGate>> {
        let written = self.tail.written();
        if !pipeline.writes.is_empty() && written < pipeline.group {
            return None;
        }
        // A finished segment was synced on the way; go on behind it.
        loop {
            let segment = self.segment_at(pipeline.synced);
            let base = segment.address.get();
            let end = base + segment.len.get();
            let synced = base + segment.synced.get();
            pipeline.synced = pipeline.synced.max(synced.min(written));
            let closed = !Rc::ptr_eq(&segment, &self.active());
            if pipeline.synced >= end && closed {
                self.synced_offset.set(self.synced_offset.get().max(segment.end_offset.get()));
                pipeline.synced = self.address_after(&segment);
                continue;
            }
            if pipeline.synced >= written {
                return None;
            }
            let writer = segment.writer()?;
            let Some(turn) = segment.gate.try_begin() else { return Some(segment.gate.clone()) };
            let reach = written.min(end);
            let offset = self.written_offset.get().min(segment.end_offset.get());
            pipeline.group = pipeline.issued;
            pipeline.sync = Some(Sync { segment, reach, offset, op: writer.sync_data(), turn });
            return None;
        }
    }

    /// Takes what has arrived; true when a watermark moved.
    fn reap(&self, pipeline: &mut Pipeline, cx: &mut Context<'_>) -> Result<bool, Error> {
        for write in &mut pipeline.writes {
            if !write.done
                && let Poll::Ready(result) = Pin::new(&mut write.op).poll(cx)
            {
                let position = write.from - write.segment.address.get();
                let result = result.map_err(|error| {
                    Error::io(&write.segment.path(names::LOG), Some(position), &error)
                });
                if !planted::is("ignore-failed-writes") {
                    result?;
                }
                write.done = true;
            }
        }
        let mut moved = false;
        loop {
            let any = planted::is("count-writes-out-of-order");
            let first_done = pipeline.writes.iter().position(|write| write.done);
            let Some(index) = first_done.filter(|&index| index == 0 || any) else { break };
            let write = pipeline.writes.remove(index).expect("just seen");
            write.segment.written.set(write.reach - write.segment.address.get());
            let mut bytes = 0;
            while pipeline.marks.front().is_some_and(|mark| mark.end <= write.reach) {
                let mark = pipeline.marks.pop_front().expect("just seen");
                bytes += mark.bytes;
                self.written_offset.set(mark.offset);
            }
            self.tail.set_written(write.reach, bytes);
            self.finish_written();
            moved = true;
        }
        if let Some(sync) = &mut pipeline.sync
            && let Poll::Ready(result) = Pin::new(&mut sync.op).poll(cx)
        {
            let sync = pipeline.sync.take().expect("just polled");
            let result =
                result.map_err(|error| Error::io(&sync.segment.path(names::LOG), None, &error));
            if !planted::is("ignore-failed-syncs") {
                sync.turn.end(result)?;
            }
            let base = sync.segment.address.get();
            sync.segment.synced.set(sync.segment.synced.get().max(sync.reach - base));
            pipeline.synced = pipeline.synced.max(sync.reach);
            let covered = match planted::is("sync-covers-later-writes") {
                true => self.written_offset.get(),
                false => sync.offset,
            };
            self.synced_offset.set(self.synced_offset.get().max(covered));
            moved = true;
        }
        Ok(moved)
    }
}

/// Ends a step, also one that was dropped half way.
struct Idle<'a>(&'a Log);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.pipeline.borrow_mut().busy = false;
        self.0.stepped.raise();
    }
}
