//! One segment of a partition: its files, its indexes, how far it reaches. Owned by the log.
//!
//! A segment is *active* (appended to), then *closing* (all its bytes are known, its files are
//! being made exact), then *finished*. Its log file is created by the first flush, grows ahead of
//! the writes by preallocation, is written with O_DIRECT, and is cut to its length when it closes.

mod column;
mod files;
mod finish;
mod gate;
mod locate;
mod replace;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::checkpoint::Active;
use super::error::Error;
use super::header::Header;
use super::index::{offset, time, txn};
use super::names;
use super::producers::Ended;
use super::settings::LogSettings;
use super::spares::Spare;
use crate::base::signal::Broadcast;
use crate::model::Offset;
use crate::rt;
use column::Column;
pub(super) use gate::{SyncGate, SyncTurn};

pub(super) struct Indexes {
    pub(super) offset: Column<offset::Entry>,
    pub(super) time: Column<time::Entry>,
    pub(super) txn: Column<txn::Aborted>,
    /// The last of all in the time index: entries must rise.
    last_time: i64,
}

impl Indexes {
    fn is_loaded(&self) -> bool {
        self.offset.all().is_some() && self.time.all().is_some()
    }
}

/// What is known of a segment whose files exist.
pub(super) struct Restored {
    pub(super) len: u64,
    pub(super) end_offset: Offset,
    /// Of an active segment; the others' are in their files.
    pub(super) facts: Option<Active>,
    /// Entries of the index files that count.
    pub(super) offset_entries: usize,
    pub(super) time_entries: usize,
    pub(super) txn_entries: usize,
}

/// What is still to be written when a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Whole,
    /// Its records are deleted; the snapshot of its end says who produced before the next one.
    Snapshot,
    Nothing,
}

pub(super) struct Segment {
    pub(super) base_offset: Offset,
    dir: Rc<Path>,
    /// The tail's address of the file's first byte; meaningless where the tail does not reach.
    pub(super) address: Cell<u64>,
    /// Bytes of batches, appended and perhaps not written.
    pub(super) len: Cell<u64>,
    /// Offset behind the last record.
    pub(super) end_offset: Cell<Offset>,
    /// Bytes from the start that are on the device.
    pub(super) written: Cell<u64>,
    /// Bytes from the start that are on stable media.
    pub(super) synced: Cell<u64>,
    /// Largest timestamp of the first batch; -1 before it.
    pub(super) first_timestamp: Cell<i64>,
    pub(super) max_timestamp: Cell<i64>,
    pub(super) max_timestamp_offset: Cell<Offset>,
    /// False for a segment of which only the files are known.
    pub(super) knows_timestamps: Cell<bool>,
    /// Wall clock when it was made, in ms: ages a segment without timestamps.
    pub(super) created_ms: i64,
    unindexed_bytes: Cell<u64>,
    pub(super) indexes: RefCell<Indexes>,
    /// Its files are exact: indexes written, log cut to its length, all synced.
    pub(super) finished: Cell<bool>,
    /// Its files are about to be replaced, or were: readers use what is open and in memory.
    is_pinned: Cell<bool>,
    pub(super) ending: Cell<Ending>,
    /// A task is finishing it at this moment.
    pub(super) is_ending: Cell<bool>,
    /// It was rolled, and not all of its ending is done.
    pub(super) awaits_end: Cell<bool>,
    /// For lack of room.
    pub(super) is_starved: Cell<bool>,
    /// In the core's list of segments that are open for readers.
    pub(super) is_warm: Cell<bool>,
    writing: RefCell<Option<rt::File>>,
    /// The file that its own will be made of.
    spare: RefCell<Option<Spare>>,
    /// In front of every sync of the log file.
    pub(super) gate: Rc<SyncGate>,
    reading: RefCell<Option<rt::File>>,
    /// Every descriptor for readers that somebody may still have.
    lent: RefCell<Vec<rt::file::Watch>>,
    /// Bytes reserved on the device, and the size of the last step.
    allocated: Cell<u64>,
    allocation_step: Cell<u64>,
    /// A task is opening the file or reserving room.
    preparing: Cell<bool>,
    /// A task is writing the index files.
    pub(super) indexing: Cell<bool>,
    pub(super) indexed: Broadcast,
    preparation_error: RefCell<Option<Error>>,
    prepared: Broadcast,
}

impl Segment {
    /// A segment that has no files yet.
    pub(super) fn begin(dir: &Rc<Path>, base_offset: Offset, address: u64, now_ms: i64) -> Segment {
        Segment {
            base_offset,
            dir: dir.clone(),
            address: Cell::new(address),
            len: Cell::new(0),
            end_offset: Cell::new(base_offset),
            written: Cell::new(0),
            synced: Cell::new(0),
            first_timestamp: Cell::new(-1),
            max_timestamp: Cell::new(-1),
            max_timestamp_offset: Cell::new(-1),
            knows_timestamps: Cell::new(true),
            created_ms: now_ms,
            unindexed_bytes: Cell::new(0),
            indexes: RefCell::new(Indexes {
                offset: Column::empty(),
                time: Column::empty(),
                txn: Column::empty(),
                last_time: -1,
            }),
            finished: Cell::new(false),
            is_pinned: Cell::new(false),
            ending: Cell::new(Ending::Whole),
            is_ending: Cell::new(false),
            awaits_end: Cell::new(false),
            is_starved: Cell::new(false),
            is_warm: Cell::new(false),
            writing: RefCell::new(None),
            spare: RefCell::new(None),
            gate: Rc::default(),
            reading: RefCell::new(None),
            lent: RefCell::default(),
            allocated: Cell::new(0),
            allocation_step: Cell::new(0),
            preparing: Cell::new(false),
            indexing: Cell::new(false),
            indexed: Broadcast::default(),
            preparation_error: RefCell::new(None),
            prepared: Broadcast::default(),
        }
    }

    /// A segment whose files exist, on stable media up to `restored.len`.
    pub(super) fn restore(dir: &Rc<Path>, base_offset: Offset, restored: Restored) -> Segment {
        let segment = Segment::begin(dir, base_offset, u64::MAX, 0);
        segment.len.set(restored.len);
        segment.written.set(restored.len);
        segment.synced.set(restored.len);
        segment.end_offset.set(restored.end_offset);
        {
            let mut indexes = segment.indexes.borrow_mut();
            indexes.offset = Column::on_disk(restored.offset_entries);
            indexes.time = Column::on_disk(restored.time_entries);
            indexes.txn = Column::on_disk(restored.txn_entries);
        }
        match restored.facts {
            None => segment.knows_timestamps.set(false),
            Some(facts) => {
                segment.first_timestamp.set(facts.first_timestamp);
                segment.max_timestamp.set(facts.max_timestamp);
                segment.max_timestamp_offset.set(facts.max_timestamp_offset);
                segment.unindexed_bytes.set(facts.unindexed_bytes);
                segment.indexes.borrow_mut().last_time = facts.max_timestamp;
            }
        }
        segment
    }

    pub(super) fn path(&self, suffix: &str) -> PathBuf {
        names::file(&self.dir, self.base_offset, suffix)
    }

    pub(super) fn log_path(&self) -> PathBuf {
        self.path(names::LOG)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// True when the log file is known to exist.
    pub(super) fn has_file(&self) -> bool {
        self.writing.borrow().is_some() || self.written.get() > 0
    }

    pub(super) fn is_written(&self) -> bool {
        self.written.get() == self.len.get()
    }

    /// Accounts for a batch that was appended at `position`.
    pub(super) fn note(&self, header: &Header, position: u64, index_interval_bytes: u64) {
        assert_eq!(position, self.len.get(), "batches follow one another");
        assert!(header.base_offset >= self.end_offset.get());
        if self.first_timestamp.get() < 0 {
            self.first_timestamp.set(header.max_timestamp);
        }
        if header.max_timestamp > self.max_timestamp.get() {
            self.max_timestamp.set(header.max_timestamp);
            self.max_timestamp_offset.set(header.last_offset());
        }
        if self.unindexed_bytes.get() > index_interval_bytes {
            let relative = self.relative(header.last_offset());
            let position = position as u32;
            self.indexes.borrow_mut().offset.push(offset::Entry { relative, position });
            self.note_time();
            self.unindexed_bytes.set(0);
        }
        self.unindexed_bytes.set(self.unindexed_bytes.get() + header.len as u64);
        self.len.set(position + header.len as u64);
        self.end_offset.set(header.last_offset() + 1);
    }

    /// A transaction ended by a marker in this segment: an aborted one enters the index.
    pub(super) fn note_ended(&self, ended: &Ended) {
        if ended.aborted {
            self.indexes.borrow_mut().txn.push(txn::Aborted {
                producer_id: ended.producer_id,
                first_offset: ended.first_offset,
                last_offset: ended.last_offset,
                last_stable_offset: ended.last_stable_offset,
            });
        }
    }

    /// Adds the largest timestamp so far to the time index, if it is larger than the last there.
    pub(super) fn note_time(&self) {
        let mut indexes = self.indexes.borrow_mut();
        let timestamp = self.max_timestamp.get();
        if timestamp > indexes.last_time {
            let relative = self.relative(self.max_timestamp_offset.get());
            indexes.time.push(time::Entry { timestamp, relative });
            indexes.last_time = timestamp;
        }
    }

    fn relative(&self, offset: Offset) -> u32 {
        u32::try_from(offset - self.base_offset).expect("a roll keeps offsets within 31 bits")
    }

    /// True when a batch up to `last_offset` of `bytes` bytes belongs into a new segment (Kafka's
    /// rules). `jitter_ms` is this segment's part of `segment.jitter.ms`.
    pub(super) fn must_roll(
        &self,
        settings: &LogSettings,
        header: &Header,
        bytes: u64,
        now_ms: i64,
        jitter_ms: i64,
    ) -> bool {
        if self.is_empty() {
            return false;
        }
        let waited_ms = match self.first_timestamp.get() {
            first if first >= 0 => header.max_timestamp - first,
            _ => now_ms - self.created_ms,
        };
        let entries_max = settings.segment_index_bytes as usize;
        let indexes = self.indexes.borrow();
        self.len.get() + bytes > settings.segment_bytes.min(i32::MAX as u64)
            || waited_ms > settings.segment_ms - jitter_ms
            || indexes.offset.len() >= entries_max / offset::ENTRY
            || indexes.time.len() + 1 >= entries_max / time::ENTRY
            || header.last_offset() - self.base_offset > i64::from(i32::MAX)
    }

    /// What a checkpoint keeps of an active segment whose indexes were just written.
    pub(super) fn facts(&self) -> Active {
        let indexes = self.indexes.borrow();
        Active {
            first_timestamp: self.first_timestamp.get(),
            max_timestamp: self.max_timestamp.get(),
            max_timestamp_offset: self.max_timestamp_offset.get(),
            unindexed_bytes: self.unindexed_bytes.get(),
            offset_entries: indexes.offset.len() as u32,
            time_entries: indexes.time.len() as u32,
            txn_entries: indexes.txn.len() as u32,
        }
    }
}
