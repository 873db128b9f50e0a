//! Reading: which bytes answer a fetch. Whole batches only, never decoded behind their headers.
//! The tail answers from memory without waiting; what is older is a range of a segment's buffered
//! descriptor, found through the index and a look at a few headers. A range may be followed by
//! memory; it never reaches into what the device does not have yet.

use std::rc::Rc;

use super::Log;
use super::error::{Error, ReadError};
use super::header::Header;
use super::index::offset;
use super::segment::Segment;
use crate::base::planted;
use crate::model::Offset;
use crate::rt::{FileRange, Piece};

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
        self.check_reach(offset)?;
        let mut plan = ReadPlan::empty(offset);
        let mut measure = Measure { bytes_left: max_bytes, limit, at_least_one };
        if offset >= limit || self.read_tail(&mut plan, &mut measure) {
            return Ok(plan);
        }
        // At least this much was appended since, which memory might have held.
        let address = self.indexed_address(offset);
        if address > 0 {
            self.budget.reached_back(self.tail.end().saturating_sub(address));
        }
        let found = self.read_file(&mut plan, &mut measure).await;
        // It may have been deleted meanwhile, and which of its transactions were aborted with it.
        if !planted::is("read-what-is-deleted-meanwhile") {
            self.check_reach(offset)?;
        }
        found?;
        if plan.bytes < max_bytes && plan.next_offset < limit {
            measure.at_least_one &= plan.bytes == 0;
            self.read_tail(&mut plan, &mut measure);
        }
        if plan.bytes == 0 {
            plan.next_offset = offset;
        }
        Ok(plan)
    }

    fn check_reach(&self, offset: Offset) -> Result<(), ReadError> {
        let (first, end) = (self.log_start_offset.get(), self.end_offset.get());
        match (first..=end).contains(&offset) {
            true => Ok(()),
            false => Err(ReadError::OutOfRange { log_start_offset: first, log_end_offset: end }),
        }
    }

    /// Takes from memory; false when memory does not reach back to `plan.next_offset`.
    fn read_tail(&self, plan: &mut ReadPlan, measure: &mut Measure) -> bool {
        let offset = plan.next_offset;
        if self.is_replaced(offset) && !planted::is("serve-what-was-cleaned-from-memory") {
            // Memory has what was cleaned away, aborted records that no index tells of any more
            // among it.
            return false;
        }
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
        let mut segment = self.segment_for(plan.next_offset);
        let found = loop {
            self.budget.warm_up(&segment);
            let is_whole = segment.finished.get();
            if let Some(found) = segment.locate(plan.next_offset).await? {
                break found;
            }
            if !is_whole {
                // What the device does not have yet is in memory.
                return Ok(());
            }
            // Compaction leaves gaps, also at the end of segments; and it may have put others into
            // their place while we looked.
            plan.next_offset = plan.next_offset.max(segment.end_offset.get());
            let next = self.segment_for(plan.next_offset);
            let is_same = Rc::ptr_eq(&next, &segment);
            segment = if is_same { self.segment_after(&segment) } else { next };
            plan.next_offset = plan.next_offset.max(segment.base_offset);
        };
        if !measure.takes(&found.header, false) {
            return Ok(());
        }
        let most = found.position + measure.bytes_left;
        let end = segment.last_boundary(&found, most, measure.limit).await?;
        plan.base_offset = found.header.base_offset;
        plan.next_offset = end.offset;
        plan.bytes = end.position - found.position;
        measure.bytes_left = measure.bytes_left.saturating_sub(plan.bytes);
        let file = segment.reader().await?;
        plan.pieces.push(Piece::File(FileRange { file, pos: found.position, len: plan.bytes }));
        Ok(())
    }
}
