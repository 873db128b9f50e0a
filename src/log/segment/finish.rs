//! Writing a segment's indexes, and making the files of a closing one exact.
//!
//! Order of a finish: the log file is cut to its length, which on a full disk makes room for the
//! indexes (written, cut, synced), then it is synced. A crash between any two steps leaves a log
//! file with zeros behind its last batch, or an index that ends early or is missing; opening
//! repairs both.

use std::path::Path;

use super::Segment;
use crate::base::buf::Buf;
use crate::base::planted;
use crate::log::error::{At, Error};
use crate::log::index::{offset, time, txn};
use crate::log::names;
use crate::rt::{File, OpenOptions, file};

impl Segment {
    /// Writes what the index files do not have yet. `last` adds the closing entry of the time
    /// index first. One task writes at a time.
    pub(in crate::log) async fn write_indexes(&self, last: bool) -> Result<(), Error> {
        while self.indexing.get() {
            self.indexed.wait().await;
        }
        if self.is_pinned.get() {
            // By now the names may be another segment's.
            return Ok(());
        }
        if last {
            self.note_time();
        }
        self.indexing.set(true);
        let result = self.extend_indexes().await;
        self.indexing.set(false);
        self.indexed.raise();
        result
    }

    async fn extend_indexes(&self) -> Result<(), Error> {
        let (bytes, at) = {
            let offsets = &self.indexes.borrow().offset;
            (offset::encode(offsets.fresh()), offsets.persisted())
        };
        extend(&self.path(names::OFFSET_INDEX), at * offset::ENTRY, &bytes).await?;
        self.indexes.borrow_mut().offset.set_persisted(at + bytes.len() / offset::ENTRY);

        let (bytes, at) = {
            let times = &self.indexes.borrow().time;
            (time::encode(times.fresh()), times.persisted())
        };
        extend(&self.path(names::TIME_INDEX), at * time::ENTRY, &bytes).await?;
        self.indexes.borrow_mut().time.set_persisted(at + bytes.len() / time::ENTRY);

        let (bytes, at) = {
            let aborted = &self.indexes.borrow().txn;
            (txn::encode(aborted.fresh()), aborted.persisted())
        };
        let path = self.path(names::TXN_INDEX);
        // Without entries there is no file, unless a crash has left one that tells of markers which
        // it took: once the log has grown past their offsets nobody could tell.
        if !bytes.is_empty() || self.has_markers_that_are_gone(&path).await? {
            extend(&path, at * txn::ENTRY, &bytes).await?;
            self.indexes.borrow_mut().txn.set_persisted(at + bytes.len() / txn::ENTRY);
        }
        Ok(())
    }

    async fn has_markers_that_are_gone(&self, path: &Path) -> Result<bool, Error> {
        Ok(!planted::is("believe-markers-that-are-gone") && file::exists(path).await.at(path)?)
    }

    /// Creates the log file, if it is not there.
    pub(in crate::log) async fn make_file(&self) -> Result<(), Error> {
        self.preparation_ended().await;
        if self.has_file() { Ok(()) } else { self.open_for_writing().await }
    }

    /// Makes the files of the active segment exact; it may be empty and without any.
    pub(in crate::log) async fn finish_active(&self) -> Result<(), Error> {
        self.preparation_ended().await;
        self.open_for_writing().await?;
        self.finish().await?;
        self.close_writer();
        Ok(())
    }

    /// Makes what is written durable.
    pub(in crate::log) async fn sync(&self) -> Result<(), Error> {
        let written = self.written.get();
        if self.synced.get() < written {
            self.sync_file().await?;
            self.synced.set(self.synced.get().max(written));
        }
        Ok(())
    }

    /// Syncs the log file, if it is open.
    async fn sync_file(&self) -> Result<(), Error> {
        let turn = self.gate.begin().await?;
        let Some(writer) = self.writer() else { return Ok(()) };
        turn.end(writer.sync_data().await.at(&self.log_path()))
    }

    /// Makes the files of a wholly written segment exact and durable.
    pub(in crate::log) async fn finish(&self) -> Result<(), Error> {
        assert!(self.is_written(), "a segment is finished after its last write");
        self.preparation_ended().await;
        let path = self.log_path();
        if let Some(writer) = self.writer() {
            writer.truncate(self.len.get()).await.at(&path)?;
            self.allocated.set(self.len.get());
        }
        self.write_indexes(true).await?;
        if !planted::is("finish-without-a-sync") {
            self.sync_file().await?;
        }
        self.synced.set(self.len.get());
        self.finished.set(true);
        Ok(())
    }
}

impl Segment {
    /// Cuts a scanned log file to the batches that count and syncs it, before anybody reads it; a
    /// closed segment's files become exact.
    pub(in crate::log) async fn settle(&self, is_closed: bool) -> Result<(), Error> {
        self.written.set(self.len.get());
        self.open_for_writing().await?;
        let path = self.log_path();
        if is_closed {
            self.finish().await?;
        } else {
            let writer = self.writer().expect("just opened");
            writer.truncate(self.len.get()).await.at(&path)?;
            if !planted::is("serve-what-was-recovered-unsynced") {
                self.sync_file().await?;
            }
            self.synced.set(self.len.get());
            self.write_indexes(false).await?;
        }
        self.close_writer();
        Ok(())
    }
}

/// Makes `bytes` the end of the file, from `at` on.
async fn extend(path: &Path, at: usize, bytes: &[u8]) -> Result<(), Error> {
    let options = OpenOptions { write: true, create: true, ..OpenOptions::default() };
    let file = File::open(path, options).await.at(path)?;
    if !bytes.is_empty() {
        file.write_bytes_at(Buf::copy_of(bytes), at as u64).await.at(path)?;
    }
    file.truncate((at + bytes.len()) as u64).await.at(path)?;
    file.sync_data().await.at(path)
}
