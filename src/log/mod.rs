//! One partition on disk, in Kafka's files. A [`Log`] belongs to one core, is shared there by
//! reference count, and changes behind `&self`: appends are synchronous and take their offset at
//! once, [`Log::flush_step`] brings them to the device, reads come from memory or name a range of
//! a file. It knows nothing of leaders, followers, waiters or requests: the shard drives it.
//!
//! Promises: what a watermark says is on the device or on stable media is there, in order and
//! without holes; after a fault of the disk nothing more is promised, and the log stays offline;
//! an offset that was acknowledged at `written` is never given to another record, whatever
//! crashes. It never decodes what lies behind a batch's header on the way in or out, unless the topic
//! has a codec of its own; of uncompressed records it looks once whether a reader will find its way
//! through them.

mod append;
mod budget;
mod check;
pub mod checkpoint;
mod clean;
mod close;
mod copy;
mod delete;
mod epochs;
mod error;
mod flush;
mod header;
pub mod index;
mod leaving;
mod lookup;
mod marker;
pub mod names;
mod offline;
pub mod partition_metadata;
pub mod producers;
mod read;
mod recovery;
mod repack;
mod reshape;
mod retention;
mod roll;
mod room;
mod scan;
mod segment;
mod settings;
mod spares;
mod tail;

use std::cell::{Cell, Ref, RefCell};
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;

use crate::base::planted;
use crate::base::signal::Broadcast;
use crate::model::{Offset, TopicId};

pub use append::{Appended, Records};
pub use budget::{Budget, Limits};
pub use clean::{Filth, Means};
pub use copy::Copy;
pub use delete::{put_aside, remove_partition, rename_dir};
pub use epochs::Epochs;
pub use error::{AppendError, Cause, Error, ReadError};
pub use flush::Progress;
pub use lookup::gather;
pub use offline::{Change, Fault, Form, Remedy, Repaired, dump, repair, verify};
pub use producers::{Origin, Producers};
pub use read::ReadPlan;
pub use recovery::Recovered;
pub use room::{Allowance, Room};
pub use settings::{Compaction, LogSettings, TimestampType};

use checkpoint::Entry;
use clean::Cleaning;
use flush::Pipeline;
use reshape::Reshaping;
use segment::Segment;
use spares::Spares;
use tail::Tail;

/// One partition's log, open.
pub struct Log {
    dir: Rc<Path>,
    topic_id: TopicId,
    budget: Rc<Budget>,
    room: Rc<Room>,
    spares: Rc<Spares>,
    settings: Cell<LogSettings>,
    tail: Rc<Tail>,
    /// Offsets of the snapshots on disk, rising.
    snapshots: RefCell<Vec<Offset>>,
    /// By base offset; the last one is active. Never empty.
    segments: RefCell<Vec<Rc<Segment>>>,
    /// Segments that wait for their last write, each with the snapshot of its end.
    closing: RefCell<VecDeque<(Rc<Segment>, Vec<u8>)>>,
    producers: RefCell<Producers>,
    verifications: RefCell<producers::Verifications>,
    epochs: RefCell<Epochs>,
    /// The epochs are in their file.
    epochs_kept: Cell<bool>,
    log_start_offset: Cell<Offset>,
    end_offset: Cell<Offset>,
    written_offset: Cell<Offset>,
    synced_offset: Cell<Offset>,
    high_watermark: Cell<Offset>,
    pipeline: RefCell<Pipeline>,
    /// A flush step has ended.
    stepped: Broadcast,
    /// Segments that are being finished in the background.
    finishing: Rc<Cell<usize>>,
    finished: Rc<Broadcast>,
    /// There was no room for what comes next.
    disk_full: RefCell<Option<Error>>,
    /// Segments that wait for room to be finished.
    starved: Rc<Cell<usize>>,
    /// Shared with the tasks that finish segments.
    failure: Rc<RefCell<Option<Error>>>,
    /// This segment's part of `segment.jitter.ms`.
    jitter_ms: Cell<i64>,
    reshaping: Reshaping,
    cleaning: Cleaning,
    recovered: Recovered,
    /// What the last checkpoint said.
    kept: RefCell<Entry>,
}

impl Log {
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What this core's logs share.
    pub fn budget(&self) -> &Rc<Budget> {
        &self.budget
    }

    pub fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    pub fn settings(&self) -> LogSettings {
        self.settings.get()
    }

    pub fn set_settings(&self, settings: LogSettings) {
        self.settings.set(settings);
        if self.failure().is_none() {
            self.spares.limit(settings.segments_recycled_max);
        }
    }

    /// Offset of the first record that may be read.
    pub fn log_start_offset(&self) -> Offset {
        self.log_start_offset.get()
    }

    /// Offset that the next record gets.
    pub fn end_offset(&self) -> Offset {
        self.end_offset.get()
    }

    /// Bytes of all segments, appended and not necessarily written.
    pub fn size_bytes(&self) -> u64 {
        self.segments.borrow().iter().map(|segment| segment.len.get()).sum()
    }

    /// Segments whose files were deleted segments' before.
    pub fn recycled(&self) -> u64 {
        self.spares.taken()
    }

    /// Bytes appended and not on the device.
    pub fn unwritten_bytes(&self) -> usize {
        self.pipeline.borrow().unwritten_bytes()
    }

    /// Why the log is offline, if it is.
    pub fn failure(&self) -> Option<Error> {
        self.failure.borrow().clone()
    }

    /// True when it was closed in order, or is about to be removed.
    pub fn is_closed(&self) -> bool {
        self.failure.borrow().as_ref().is_some_and(Error::is_closed)
    }

    /// Bytes of the largest batch that is accepted.
    pub fn batch_bytes_max(&self) -> usize {
        self.settings.get().max_message_bytes
    }

    /// Forgets producers that were silent for `producer.id.expiration.ms`.
    pub fn expire_producers(&self, now_ms: i64) {
        let expiration_ms = self.settings.get().producer_id_expiration_ms;
        self.producers.borrow_mut().expire(now_ms, expiration_ms);
        self.verifications.borrow_mut().expire(now_ms, expiration_ms);
    }

    /// True while the disk has no room for what the log has to write.
    pub fn is_disk_full(&self) -> bool {
        self.disk_full.borrow().is_some() || self.starved.get() > 0
    }

    /// Nothing more is read or written: the directory it lies in does not work any more.
    pub fn take_offline(&self, error: Error) {
        self.fail(error);
    }

    /// Takes the log offline; the first reason stays.
    fn fail(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    fn active(&self) -> Rc<Segment> {
        self.segments.borrow().last().expect("a log has an active segment").clone()
    }

    /// The segment whose file the tail's `address` lies in.
    fn segment_at(&self, address: u64) -> Rc<Segment> {
        let segments = self.segments.borrow();
        let found = segments.iter().rfind(|segment| segment.address.get() <= address);
        found.expect("an address of the tail").clone()
    }

    fn segment_after(&self, segment: &Rc<Segment>) -> Rc<Segment> {
        let segments = self.segments.borrow();
        let after = segments.partition_point(|other| other.base_offset <= segment.base_offset);
        segments[after].clone()
    }

    /// Where in the tail it goes on behind a segment. Segments that were there at the start, or that a
    /// cleaning has made, have no place in the tail; the active one has.
    fn address_after(&self, segment: &Rc<Segment>) -> u64 {
        if planted::is("go-on-behind-all-addresses") {
            return self.segment_after(segment).address.get();
        }
        let segments = self.segments.borrow();
        let after = segments.partition_point(|other| other.base_offset <= segment.base_offset);
        let mut addresses = segments[after..].iter().map(|other| other.address.get());
        addresses.find(|&address| address != u64::MAX).expect("the active one's")
    }

    /// The high watermark passed `offset`: transactions below are decided for good.
    pub fn set_high_watermark(&self, offset: Offset) {
        if offset > self.high_watermark.get() {
            self.high_watermark.set(offset);
            self.producers.borrow_mut().on_high_watermark(offset);
        }
    }

    /// Who writes here, as of the last append.
    pub fn producers(&self) -> Ref<'_, Producers> {
        self.producers.borrow()
    }

    /// First offset that a transactional reader must not see yet.
    pub fn last_stable_offset(&self) -> Offset {
        let high_watermark = self.high_watermark.get();
        if planted::is("last-stable-offset-ahead") {
            return high_watermark;
        }
        let unstable = self.producers.borrow().first_unstable_offset();
        unstable.map_or(high_watermark, |offset| offset.min(high_watermark))
    }
}
