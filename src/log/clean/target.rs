//! The segment that a cleaning makes, in files with `.cleaned` behind their names. Nobody sees it
//! before it is complete and on stable media.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::base::buf::Buf;
use crate::base::planted;
use crate::log::error::{At, Error};
use crate::log::header::Header;
use crate::log::index::txn::Aborted;
use crate::log::index::{offset, time, txn};
use crate::log::names;
use crate::log::segment::Segment;
use crate::model::Offset;
use crate::rt::{self, File, OpenOptions, file};

/// Bytes of one write.
const WRITE: usize = 1 << 20;

pub(super) struct Target {
    /// As it will be; its names are not true yet.
    segment: Segment,
    file: File,
    path: PathBuf,
    pending: Vec<u8>,
    written: u64,
}

/// All that a segment may have in files of its own.
const SUFFIXES: [&str; 4] = [names::LOG, names::OFFSET_INDEX, names::TIME_INDEX, names::TXN_INDEX];

impl Target {
    pub(super) async fn create(dir: &Rc<Path>, base_offset: Offset) -> Result<Target, Error> {
        let segment = Segment::begin(dir, base_offset, u64::MAX, rt::unix_ms());
        let path = names::with(&segment.log_path(), names::CLEANED);
        let file = open(&path).await?;
        Ok(Target { segment, file, path, pending: Vec::new(), written: 0 })
    }

    /// Adds a batch and yields how many bytes went to the device.
    pub(super) async fn push(&mut self, batch: &[u8], index_interval: u64) -> Result<u64, Error> {
        let header = Header::read(batch).map_err(|why| {
            Error::corrupt(&self.path, self.segment.len.get(), format!("made a bad batch: {why}"))
        })?;
        if self.segment.len.get() + batch.len() as u64 > i32::MAX as u64 {
            let what = "the cleaned segment is larger than an index can point into";
            return Err(Error::corrupt(&self.path, self.segment.len.get(), what));
        }
        self.segment.note(&header, self.segment.len.get(), index_interval);
        self.pending.extend_from_slice(batch);
        if self.pending.len() >= WRITE { self.write().await } else { Ok(0) }
    }

    /// An aborted transaction of which batches stay, and its marker.
    pub(super) fn note_aborted(&mut self, aborted: Aborted) {
        self.segment.indexes.borrow_mut().txn.push(aborted);
    }

    async fn write(&mut self) -> Result<u64, Error> {
        let bytes = Buf::copy_of(&self.pending);
        let count = self.pending.len() as u64;
        self.pending.clear();
        self.file.write_bytes_at(bytes, self.written).await.at(&self.path)?;
        self.written += count;
        Ok(count)
    }

    /// Makes all files complete and durable. The segment reaches up to `end_offset`.
    pub(super) async fn finish(mut self, end_offset: Offset) -> Result<Segment, Error> {
        if !self.pending.is_empty() {
            self.write().await?;
        }
        if !planted::is("swap-in-what-is-not-synced") {
            self.file.sync_data().await.at(&self.path)?;
        }
        self.file.forget(0, self.written).await;
        self.segment.note_time();
        let (offsets, times, aborted) = {
            let indexes = self.segment.indexes.borrow();
            (
                offset::encode(indexes.offset.fresh()),
                time::encode(indexes.time.fresh()),
                txn::encode(indexes.txn.fresh()),
            )
        };
        self.write_index(names::OFFSET_INDEX, &offsets).await?;
        self.write_index(names::TIME_INDEX, &times).await?;
        if !aborted.is_empty() {
            self.write_index(names::TXN_INDEX, &aborted).await?;
        }
        self.segment.take_place(end_offset);
        Ok(self.segment)
    }

    async fn write_index(&self, suffix: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = names::with(&self.segment.path(suffix), names::CLEANED);
        let file = open(&path).await?;
        if !bytes.is_empty() {
            file.write_bytes_at(Buf::copy_of(bytes), 0).await.at(&path)?;
        }
        file.sync_data().await.at(&path)
    }
}

async fn open(path: &Path) -> Result<File, Error> {
    let options = OpenOptions { write: true, create: true, truncate: true, ..Default::default() };
    File::open(path, options).await.at(path)
}

/// The names of a cleaned segment's files that exist with `suffix` behind them.
pub(super) async fn files_with(segment: &Segment, suffix: &str) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for kind in SUFFIXES {
        let path = segment.path(kind);
        let with = names::with(&path, suffix);
        if file::exists(&with).await.at(&with)? {
            found.push(path);
        }
    }
    Ok(found)
}

/// Removes what cleanings have left that came to nothing. A recovery would take a `.swap` beside
/// them for half of one.
pub(super) async fn remove_leftovers(dir: &Path) -> Result<(), Error> {
    for entry in file::list_dir(dir).await.at(dir)? {
        if names::without(&entry.name, names::CLEANED).is_some() {
            let path = dir.join(&entry.name);
            file::remove_file(&path).await.at(&path)?;
        }
    }
    Ok(())
}
