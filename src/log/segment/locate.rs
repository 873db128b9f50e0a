//! Finding batches in a segment's file: through the index, then by their headers. An index is
//! believed only as far as it leads to a batch that fits it; otherwise it is built again.

use super::Segment;
use super::column::Column;
use crate::base::buf::Buf;
use crate::base::planted;
use crate::log::error::{At, Error};
use crate::log::header::{HEADER, Header};
use crate::log::index::{Unusable, offset, time, txn};
use crate::log::names;
use crate::log::scan::{Scan, Scanned};
use crate::model::Offset;
use crate::rt::{File, file};

/// Bytes of the file looked at together for headers: about what lies between two entries of an index.
const WINDOW: usize = 4 << 10;
/// Bytes between two entries of an index that is built again.
const REBUILD_INTERVAL: u64 = 4096;

/// A batch in a file.
pub(in crate::log) struct Found {
    pub(in crate::log) position: u64,
    pub(in crate::log) header: Header,
}

/// A place between two batches in a file, and the offset there.
pub(in crate::log) struct Boundary {
    pub(in crate::log) position: u64,
    pub(in crate::log) offset: Offset,
}

impl Segment {
    /// Reads the index files, unless that was done; builds them again where they are damaged.
    pub(in crate::log) async fn load_indexes(&self) -> Result<(), Error> {
        if self.indexes.borrow().is_loaded() {
            return Ok(());
        }
        let offsets = read(&self.path(names::OFFSET_INDEX)).await?;
        let times = read(&self.path(names::TIME_INDEX)).await?;
        let records = (self.end_offset.get() - self.base_offset) as u64;
        let loaded = {
            let mut indexes = self.indexes.borrow_mut();
            let offsets = offset::decode(&offsets, self.len.get());
            let times = time::decode(&times, records);
            match (offsets, times) {
                (Ok(offsets), Ok(times)) => {
                    indexes.offset.load(offsets).and_then(|()| indexes.time.load(times))
                }
                _ => Err(Unusable("damaged")),
            }
        };
        match loaded {
            Ok(()) => Ok(()),
            Err(Unusable(_)) => self.rebuild_indexes().await,
        }
    }

    /// Reads the transaction index, which is small and always kept in memory.
    pub(in crate::log) async fn load_txn_index(&self) -> Result<(), Error> {
        if self.indexes.borrow().txn.all().is_some() {
            return Ok(());
        }
        let path = self.path(names::TXN_INDEX);
        let mut bytes = file::read_whole(&path).await.at(&path)?;
        if !self.finished.get() {
            // What lies behind was being written when the machine ended, and is written again.
            bytes.truncate(self.indexes.borrow().txn.persisted() * txn::ENTRY);
        }
        // An active segment ends behind what is known of it.
        let entries = txn::decode(&bytes, self.base_offset, Offset::MAX)
            .map_err(|why| Error::corrupt(&path, 0, why.0))?;
        let loaded = self.indexes.borrow_mut().txn.load(entries);
        loaded.map_err(|why| Error::corrupt(&path, 0, why.0))
    }

    /// Builds offset and time index from the batches on the device. Later entries, which are only
    /// in memory, stay.
    async fn rebuild_indexes(&self) -> Result<(), Error> {
        if self.is_pinned.get() {
            return Ok(());
        }
        let path = self.log_path();
        let model = Segment::begin(&self.dir, self.base_offset, u64::MAX, 0);
        let mut scan = Scan::open(&path, self.base_offset, 0, self.base_offset).await?;
        while scan.position() < self.written.get() {
            match scan.next().await? {
                Scanned::Batch { position, header, .. } => {
                    model.note(&header, position, REBUILD_INTERVAL);
                }
                Scanned::End => break,
                Scanned::Bad(why) => return Err(Error::corrupt(&path, scan.position(), why)),
            }
        }
        let built = model.indexes.into_inner();
        {
            let mut indexes = self.indexes.borrow_mut();
            let (offsets, times) = (indexes.offset.take_fresh(), indexes.time.take_fresh());
            indexes.offset = Column::rebuilt(built.offset, offsets, |a, b| a.relative < b.relative);
            indexes.time = Column::rebuilt(built.time, times, |a, b| a.timestamp < b.timestamp);
        }
        if self.finished.get() {
            self.write_indexes(true).await?;
        }
        Ok(())
    }

    /// The first batch on the device that ends at or behind `offset`.
    pub(in crate::log) async fn locate(&self, offset: Offset) -> Result<Option<Found>, Error> {
        self.load_indexes().await?;
        match self.locate_by_index(offset).await {
            Err(error) if error.is_corruption() => {
                self.rebuild_indexes().await?;
                self.locate_by_index(offset).await
            }
            found => found,
        }
    }

    /// No checksum covers a batch's base offset: its neighbours and its entry in the index do.
    async fn locate_by_index(&self, offset: Offset) -> Result<Option<Found>, Error> {
        let relative = u32::try_from((offset - self.base_offset).max(0)).unwrap_or(u32::MAX);
        let entry = offset::entry_for(self.indexes.borrow().offset.known(), relative);
        let mut window = Window::new(self, entry.map_or(0, |entry| entry.position.into())).await?;
        let mut entry = entry.map(|entry| self.base_offset + Offset::from(entry.relative));
        while let Some(found) = window.next().await? {
            let entry = entry.take().filter(|_| !planted::is("believe-indexes"));
            if entry.is_some_and(|last_offset| last_offset != found.header.last_offset()) {
                let path = self.path(names::OFFSET_INDEX);
                return Err(Error::corrupt(&path, 0, "an entry does not fit its batch"));
            }
            if found.header.last_offset() >= offset {
                window.next().await?;
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The end of the last batch that ends at or before position `most` and lies below offset
    /// `limit`, from `first` on, which counts in any case.
    pub(in crate::log) async fn last_boundary(
        &self,
        first: &Found,
        most: u64,
        limit: Offset,
    ) -> Result<Boundary, Error> {
        let first_end = first.position + first.header.len as u64;
        let most = most.min(self.written.get());
        let mut end = Boundary { position: first_end, offset: first.header.last_offset() + 1 };
        if first_end >= most {
            return Ok(end);
        }
        let from = {
            let indexes = self.indexes.borrow();
            let entries = indexes.offset.known();
            let relative = (limit - self.base_offset).clamp(0, i64::from(u32::MAX)) as u32;
            let by_limit = u64::from(offset::position_for(entries, relative));
            let by_bytes = offset::boundary_before(entries, most).map_or(0, u64::from);
            by_limit.min(by_bytes).max(first_end)
        };
        let mut window = Window::new(self, from).await?;
        while let Some(found) = window.next().await? {
            if found.position == from {
                // Everything below an indexed batch is wanted; its base says up to where.
                end = Boundary { position: from, offset: found.header.base_offset };
            }
            let batch_end = found.position + found.header.len as u64;
            if found.header.last_offset() >= limit || batch_end > most {
                break;
            }
            end = Boundary { position: batch_end, offset: found.header.last_offset() + 1 };
        }
        Ok(end)
    }
}

/// A missing index file is an empty one: it will not have what it should, and is built again.
async fn read(path: &std::path::Path) -> Result<Vec<u8>, Error> {
    if file::exists(path).await.at(path)? {
        file::read_whole(path).await.at(path)
    } else {
        Ok(Vec::new())
    }
}

/// Walks over the headers of a file, a window of it in memory at a time.
struct Window<'a> {
    segment: &'a Segment,
    file: File,
    buf: Buf,
    /// Position of the buffer's first byte.
    start: u64,
    next: u64,
    /// The least offset that the next batch may have.
    expected: Offset,
    /// The device has the file's bytes up to here.
    end: u64,
}

impl<'a> Window<'a> {
    async fn new(segment: &'a Segment, position: u64) -> Result<Window<'a>, Error> {
        let file = segment.reader().await?;
        let buf = Buf::with_capacity(WINDOW);
        let end = segment.written.get();
        let expected = segment.base_offset;
        Ok(Window { segment, file, buf, start: position, next: position, expected, end })
    }

    /// `None` behind the last whole batch on the device.
    async fn next(&mut self) -> Result<Option<Found>, Error> {
        let position = self.next;
        if position + HEADER as u64 > self.end {
            return Ok(None);
        }
        let loaded = self.start + self.buf.len() as u64;
        if position + HEADER as u64 > loaded {
            // Behind a large batch comes another one: its header will do.
            let look = if position > loaded + WINDOW as u64 { HEADER } else { WINDOW };
            let len = look.min((self.end - position) as usize);
            let buf = std::mem::replace(&mut self.buf, Buf::with_capacity(1));
            let (result, buf) = self.file.read_at(buf, position, len).await;
            let path = self.segment.log_path();
            result.map_err(|error| Error::io(&path, Some(position), &error))?;
            self.buf = buf;
            self.start = position;
        }
        let at = (position - self.start) as usize;
        let header = self.buf.get(at..).and_then(|bytes| Header::read(bytes).ok());
        let header = header.filter(|header| {
            header.base_offset >= self.expected
                && header.last_offset() < self.segment.end_offset.get()
        });
        let Some(header) = header else {
            let path = self.segment.log_path();
            return Err(Error::corrupt(&path, position, "no batch where one must begin"));
        };
        self.next = position + header.len as u64;
        self.expected = header.last_offset() + 1;
        Ok((self.next <= self.end).then_some(Found { position, header }))
    }
}
