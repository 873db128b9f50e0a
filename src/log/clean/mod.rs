//! Compaction: of records with the same key only the last one stays (Kafka's LogCleaner). One
//! cleaning at a time in a log, by a task of its core in the small share; the shard says when.
//!
//! How dirty a log is ([`dirt`]) says whether there is a [`round`]: it reads the dirty part for the
//! last offset of each key ([`survey`], [`keys`]), then copies every segment from the log's start to
//! there without what is superseded ([`run`], [`retain`], [`rewrite`]), small neighbours into one
//! ([`group`]), and puts the copies into their places ([`swap`]).
//!
//! It never touches what is not finished, not stable (an open transaction, or above the high
//! watermark), or what the checkpoint on disk speaks of: a recovery must find that as it was. What
//! it meets that it cannot read it leaves as it is, and the log is then cleaned no more.

mod dirt;
mod group;
mod keys;
mod means;
mod policy;
mod retain;
mod rewrite;
mod round;
mod run;
mod source;
mod survey;
mod swap;
mod target;
mod transactions;

use std::cell::Cell;

use super::Log;
use super::checkpoint::Entry;
use super::error::Error;
use crate::base::signal::Broadcast;
use crate::model::Offset;

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

impl Log {
    /// Everything below was cleaned.
    pub fn cleaned_offset(&self) -> Offset {
        self.cleaning.up_to.get()
    }

    /// Whether the file that holds an offset is another one than that which the tail went to.
    pub(super) fn is_replaced(&self, offset: Offset) -> bool {
        offset < self.cleaning.replaced.get()
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
}
