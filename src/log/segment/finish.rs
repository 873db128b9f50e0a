//! Writing a segment's indexes, and making the files of a closing one exact.
//!
//! Order of a finish: indexes (written, cut, synced), then the log file (cut to its length,
//! synced). A crash between any two steps leaves a log file with zeros behind its last batch, or
//! an index that ends early or is missing; opening repairs both.

use std::path::Path;

use super::Segment;
use crate::base::buf::Buf;
use crate::log::error::{At, Error};
use crate::log::index::{offset, time, txn};
use crate::log::names;
use crate::rt::{File, OpenOptions};

impl Segment {
    /// Writes what the index files do not have yet. `last` adds the closing entry of the time
    /// index first.
    pub(in crate::log) async fn write_indexes(&self, last: bool) -> Result<(), Error> {
        if last {
            self.note_time();
        }
        let (offsets, at) = {
            let indexes = self.indexes.borrow();
            (offset::encode(indexes.offset.fresh()), indexes.offset.persisted())
        };
        let path = self.path(names::OFFSET_INDEX);
        extend(&path, at * offset::ENTRY, &offsets).await?;
        let count = at + offsets.len() / offset::ENTRY;
        self.indexes.borrow_mut().offset.set_persisted(count);

        let (times, at) = {
            let indexes = self.indexes.borrow();
            (time::encode(indexes.time.fresh()), indexes.time.persisted())
        };
        let path = self.path(names::TIME_INDEX);
        extend(&path, at * time::ENTRY, &times).await?;
        let count = at + times.len() / time::ENTRY;
        self.indexes.borrow_mut().time.set_persisted(count);

        let (aborted, at) = {
            let indexes = self.indexes.borrow();
            (txn::encode(indexes.txn.fresh()), indexes.txn.persisted())
        };
        if !aborted.is_empty() {
            extend(&self.path(names::TXN_INDEX), at * txn::ENTRY, &aborted).await?;
            let count = at + aborted.len() / txn::ENTRY;
            self.indexes.borrow_mut().txn.set_persisted(count);
        }
        Ok(())
    }

    /// Makes the files of a wholly written segment exact and durable.
    pub(in crate::log) async fn finish(&self) -> Result<(), Error> {
        assert!(self.is_written(), "a segment is finished after its last write");
        self.write_indexes(true).await?;
        let path = self.log_path();
        if let Some(writer) = self.writer() {
            writer.truncate(self.len.get()).await.at(&path)?;
            self.allocated.set(self.len.get());
            writer.sync_data().await.at(&path)?;
        }
        self.synced.set(self.len.get());
        self.finished.set(true);
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
