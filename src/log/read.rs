//! Reading: which bytes answer a fetch. Whole batches only, never decoded behind their headers.
//! The tail answers from memory without waiting; what is older is a range of a segment's buffered
//! descriptor, found through the index and a look at a few headers. A range may be followed by
//! memory; it never reaches into what the device does not have yet.

use std::rc::Rc;

use super::error::{At, Error, ReadError};
use super::header::{HEADER, Header};
use super::index::{offset, time};
use super::segment::Segment;
use super::{Log, names};
use crate::base::buf::Buf;
use crate::model::Offset;
use crate::rt::{File, FileRange, Piece, file};

/// Bytes of the file looked at together for headers.
const WINDOW: usize = 16 << 10;

/// What answers one fetch.
#[derive(Default)]
pub struct ReadPlan {
    pub pieces: Vec<Piece>,
    /// Of all pieces.
    pub bytes: u64,
    /// Of the first batch, which may begin before the offset asked for; -1 without one.
    pub base_offset: Offset,
    /// Behind the last batch; the offset asked for without one.
    pub next_offset: Offset,
}

impl ReadPlan {
    fn empty(offset: Offset) -> ReadPlan {
        ReadPlan { base_offset: -1, next_offset: offset, ..ReadPlan::default() }
    }
}

/// How much may be taken.
#[derive(Clone, Copy)]
struct Measure {
    bytes_left: u64,
    /// Nothing at or behind this offset.
    limit: Offset,
    /// The first batch is taken whatever its size.
    at_least_one: bool,
}

impl Measure {
    fn takes(&self, header: &Header, any_yet: bool) -> bool {
        header.last_offset() < self.limit
            && (header.len as u64 <= self.bytes_left || (self.at_least_one && !any_yet))
    }
}

impl Log {
    /// Batches from the one that holds `offset` on, up to `max_bytes`, all below `limit` (a high
    /// watermark or last stable offset).
    pub async fn read(
        &self,
        offset: Offset,
        max_bytes: u64,
        limit: Offset,
        at_least_one: bool,
    ) -> Result<ReadPlan, ReadError> {
        let (first, end) = (self.log_start_offset.get(), self.end_offset.get());
        if offset < first || offset > end {
            return Err(ReadError::OutOfRange { log_start_offset: first, log_end_offset: end });
        }
        let mut plan = ReadPlan::empty(offset);
        let mut measure = Measure { bytes_left: max_bytes, limit, at_least_one };
        if offset >= limit || self.read_tail(&mut plan, &mut measure) {
            return Ok(plan);
        }
        self.read_file(&mut plan, &mut measure).await?;
        if plan.bytes < max_bytes && plan.next_offset < limit {
            measure.at_least_one = false;
            self.read_tail(&mut plan, &mut measure);
        }
        Ok(plan)
    }

    /// Takes from memory; false when memory does not reach back to `plan.next_offset`.
    fn read_tail(&self, plan: &mut ReadPlan, measure: &mut Measure) -> bool {
        let offset = plan.next_offset;
        let Some(mut from) = self.tail.boundary_before(offset) else { return false };
        from = from.max(self.indexed_address(offset));
        let mut range: Option<(u64, u64)> = None;
        self.tail.scan(from, |address, header| {
            if header.last_offset() < offset {
                return true;
            }
            if !measure.takes(header, plan.bytes > 0) {
                return false;
            }
            if plan.base_offset < 0 {
                plan.base_offset = header.base_offset;
            }
            plan.bytes += header.len as u64;
            plan.next_offset = header.last_offset() + 1;
            measure.bytes_left = measure.bytes_left.saturating_sub(header.len as u64);
            let end = address + header.len as u64;
            range = Some((range.map_or(address, |(start, _)| start), end));
            true
        });
        if let Some((from, to)) = range {
            self.tail.share(from, to, &mut plan.pieces);
        }
        true
    }

    /// Where in the tail the index says to look for an offset; 0 when it says nothing.
    fn indexed_address(&self, offset: Offset) -> u64 {
        let segment = self.segment_for(offset);
        let address = segment.address.get();
        if address == u64::MAX {
            return 0;
        }
        let relative = u32::try_from(offset - segment.base_offset).unwrap_or(u32::MAX);
        let indexes = segment.indexes.borrow();
        address + u64::from(offset::position_for(indexes.offset.known(), relative))
    }

    /// The last segment that begins at or before `offset`.
    pub(super) fn segment_for(&self, offset: Offset) -> Rc<Segment> {
        let segments = self.segments.borrow();
        let after = segments.partition_point(|segment| segment.base_offset <= offset);
        segments[after.saturating_sub(1)].clone()
    }

    async fn read_file(&self, plan: &mut ReadPlan, measure: &mut Measure) -> Result<(), Error> {
        let offset = plan.next_offset;
        let mut segment = self.segment_for(offset);
        // Compaction leaves gaps at the end of segments.
        while offset >= segment.end_offset.get() && !Rc::ptr_eq(&segment, &self.active()) {
            segment = self.segment_after(&segment);
        }
        let Some(found) = segment.locate(offset).await? else { return Ok(()) };
        if !measure.takes(&found.header, false) {
            return Ok(());
        }
        let end = segment.last_boundary(&found, measure).await?;
        plan.base_offset = found.header.base_offset;
        plan.next_offset = end.offset;
        plan.bytes = end.position - found.position;
        measure.bytes_left = measure.bytes_left.saturating_sub(plan.bytes);
        let file = segment.reader().await?;
        plan.pieces.push(Piece::File(FileRange { file, pos: found.position, len: plan.bytes }));
        Ok(())
    }
}

/// A batch in a file.
pub(super) struct Found {
    pub(super) position: u64,
    pub(super) header: Header,
}

/// A place between two batches in a file, and the offset there.
struct Boundary {
    position: u64,
    offset: Offset,
}

impl Segment {
    /// Reads the index files, unless that was done.
    pub(super) async fn load_indexes(&self) -> Result<(), Error> {
        if self.indexes.borrow().offset.all().is_none() {
            let path = self.path(names::OFFSET_INDEX);
            let bytes = file::read_whole(&path).await.at(&path)?;
            let entries = offset::decode(&bytes, self.len.get())
                .map_err(|why| Error::corrupt(&path, 0, why.0))?;
            self.indexes.borrow_mut().offset.load(entries);
        }
        if self.indexes.borrow().time.all().is_none() {
            let path = self.path(names::TIME_INDEX);
            let bytes = file::read_whole(&path).await.at(&path)?;
            let records = (self.end_offset.get() - self.base_offset) as u64;
            let entries =
                time::decode(&bytes, records).map_err(|why| Error::corrupt(&path, 0, why.0))?;
            self.indexes.borrow_mut().time.load(entries);
        }
        Ok(())
    }

    /// The first batch on the device that ends at or behind `offset`.
    pub(super) async fn locate(&self, offset: Offset) -> Result<Option<Found>, Error> {
        self.load_indexes().await?;
        let relative = u32::try_from((offset - self.base_offset).max(0)).unwrap_or(u32::MAX);
        let position = {
            let indexes = self.indexes.borrow();
            offset::position_for(indexes.offset.known(), relative)
        };
        let mut window = Window::new(self, u64::from(position)).await?;
        while let Some(found) = window.next().await? {
            if found.header.last_offset() >= offset {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The end of the last batch that `measure` allows, from `first` on, which it does.
    async fn last_boundary(&self, first: &Found, measure: &Measure) -> Result<Boundary, Error> {
        let first_end = first.position + first.header.len as u64;
        let most = (first.position + measure.bytes_left).min(self.written.get());
        let mut end = Boundary { position: first_end, offset: first.header.last_offset() + 1 };
        if first_end >= most {
            return Ok(end);
        }
        let from = {
            let indexes = self.indexes.borrow();
            let entries = indexes.offset.known();
            let limit = (measure.limit - self.base_offset).clamp(0, i64::from(u32::MAX)) as u32;
            let by_limit = u64::from(offset::position_for(entries, limit));
            let by_bytes = offset::boundary_before(entries, most).map_or(0, u64::from);
            by_limit.min(by_bytes).max(first_end)
        };
        let mut window = Window::new(self, from).await?;
        while let Some(found) = window.next().await? {
            let batch_end = found.position + found.header.len as u64;
            if found.header.last_offset() >= measure.limit || batch_end > most {
                if found.position == from && from > end.position {
                    // Everything below an indexed batch is wanted; its base says up to where.
                    end = Boundary { position: from, offset: found.header.base_offset };
                }
                break;
            }
            end = Boundary { position: batch_end, offset: found.header.last_offset() + 1 };
        }
        Ok(end)
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
    end: u64,
}

impl<'a> Window<'a> {
    async fn new(segment: &'a Segment, position: u64) -> Result<Window<'a>, Error> {
        let file = segment.reader().await?;
        let buf = Buf::with_capacity(WINDOW);
        let end = segment.written.get();
        Ok(Window { segment, file, buf, start: position, next: position, end })
    }

    /// `None` behind the last whole batch on the device.
    async fn next(&mut self) -> Result<Option<Found>, Error> {
        let position = self.next;
        if position + HEADER as u64 > self.end {
            return Ok(None);
        }
        let loaded = self.start + self.buf.len() as u64;
        if position + HEADER as u64 > loaded {
            let len = WINDOW.min((self.end - position) as usize);
            let buf = std::mem::replace(&mut self.buf, Buf::with_capacity(1));
            let (result, buf) = self.file.read_at(buf, position, len).await;
            let path = self.segment.log_path();
            result.map_err(|error| Error::io(&path, Some(position), &error))?;
            self.buf = buf;
            self.start = position;
        }
        let at = (position - self.start) as usize;
        let header =
            self.buf.get(at..).and_then(|bytes| Header::read(bytes).ok()).filter(|header| {
                header.base_offset >= self.segment.base_offset
                    && header.last_offset() < self.segment.end_offset.get()
            });
        let Some(header) = header else {
            let path = self.segment.log_path();
            return Err(Error::corrupt(&path, position, "no batch where one must begin"));
        };
        self.next = position + header.len as u64;
        Ok((self.next <= self.end).then_some(Found { position, header }))
    }
}
