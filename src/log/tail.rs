//! The newest bytes of a partition in memory: at once write buffer and cache. One per log, owned
//! by its core; the core's [`Budget`] may take written chunks back.
//!
//! Bytes have *addresses*, which only grow. A segment's file begins at an aligned address, so that
//! an address and its place in the file are congruent modulo 4,096; one segment's addresses follow
//! another's. Chunks follow one another; where one ends inside a sector, the next repeats that
//! sector's first part, so that every chunk alone can be written to the device:
//!
//! ```text
//!            start     own                end
//! chunk n    ├─repeated─┼── its batches ───┤spare
//! chunk n+1                       ├repeated┼── its batches ──┤
//!                                 start   own = end of chunk n
//! ```
//!
//! A batch always lies whole in one chunk. Bytes below a chunk's end never change.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use super::budget::Budget;
use super::header::{HEADER, Header};
use crate::base::buf::{ALIGN, Block, Buf, DeviceSlice, Slice};
use crate::model::Offset;
use crate::rt::Piece;

const SECTOR: u64 = ALIGN as u64;
/// Capacity of the first chunk of a quiet partition, and the most a copied one grows to.
const CHUNK_MIN: usize = ALIGN;
const CHUNK_MAX: usize = 256 << 10;

pub(super) fn sector_floor(address: u64) -> u64 {
    address - address % SECTOR
}

pub(super) fn sector_ceil(address: u64) -> u64 {
    address.next_multiple_of(SECTOR)
}

struct Chunk {
    number: u64,
    /// Address of the block's first byte; aligned.
    start: u64,
    /// Address of the first byte that no earlier chunk has.
    own: u64,
    /// Offset of the first record at or behind `own`.
    own_offset: Offset,
    /// What had been appended on the core before it.
    since: u64,
    block: Rc<Block>,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.block.len() as u64
    }

    fn range(&self, from: u64, to: u64) -> std::ops::Range<usize> {
        (from - self.start) as usize..(to - self.start) as usize
    }
}

pub(super) struct Tail {
    me: Weak<Tail>,
    budget: Rc<Budget>,
    chunks: RefCell<VecDeque<Chunk>>,
    /// Address behind the last byte.
    end: Cell<u64>,
    /// The device has everything below.
    written: Cell<u64>,
    next_number: Cell<u64>,
    /// Of the next chunk that copies go to.
    capacity: Cell<usize>,
}

impl Tail {
    /// An empty tail that goes on at `end`; `partial` is what the last sector already holds.
    pub(super) fn new(budget: &Rc<Budget>, end: u64, partial: &[u8], offset: Offset) -> Rc<Tail> {
        assert_eq!(end % SECTOR, partial.len() as u64);
        let tail = Rc::new_cyclic(|me| Tail {
            me: me.clone(),
            budget: budget.clone(),
            chunks: RefCell::default(),
            end: Cell::new(end),
            written: Cell::new(end),
            next_number: Cell::new(0),
            capacity: Cell::new(CHUNK_MIN),
        });
        if !partial.is_empty() {
            tail.link(Block::new(Buf::copy_of(partial)), offset);
        }
        tail
    }

    pub(super) fn end(&self) -> u64 {
        self.end.get()
    }

    /// Address below which everything is on the device.
    pub(super) fn written(&self) -> u64 {
        self.written.get()
    }

    pub(super) fn set_written(&self, address: u64, bytes: usize) {
        assert!(self.written.get() <= address && address <= self.end.get());
        self.written.set(address);
        self.budget.written(bytes);
        self.budget.reclaim();
    }

    /// The next segment's file begins; yields the address of its first byte.
    pub(super) fn begin_file(&self) -> u64 {
        self.end.set(sector_ceil(self.end.get()));
        self.end.get()
    }

    /// Copies one batch (or several whole ones) behind the end; `offset` is that of the first
    /// record. Yields its address.
    pub(super) fn copy(&self, bytes: &[u8], offset: Offset, stamp: impl FnOnce(&mut [u8])) -> u64 {
        let address = self.end.get();
        let fits = self
            .chunks
            .borrow()
            .back()
            .is_some_and(|last| last.end() == address && last.block.spare() >= bytes.len());
        if !fits {
            self.link(self.fresh_block(bytes.len()), offset);
        }
        {
            let chunks = self.chunks.borrow();
            let last = chunks.back().expect("just linked");
            last.block.append_with(bytes, stamp);
            self.end.set(last.end());
        }
        self.appended(bytes.len());
        address
    }

    /// Links a buffer whose bytes from `start` on are whole batches; `start` must be congruent to
    /// the end. Yields the address of the first batch.
    pub(super) fn adopt(&self, mut buf: Buf, start: usize, offset: Offset) -> u64 {
        let address = self.end.get();
        assert_eq!(address % SECTOR, start as u64, "an adopted buffer is congruent");
        self.with_partial(|partial| buf[..start].copy_from_slice(partial));
        let bytes = buf.len() - start;
        self.link(Block::new(buf), offset);
        self.end.set(address + bytes as u64);
        self.appended(bytes);
        address
    }

    /// What is new is not written, so the budget will not ask for its chunk.
    fn appended(&self, bytes: usize) {
        self.budget.appended(bytes);
        self.budget.reclaim();
    }

    /// The bytes between the last sector boundary and the end.
    fn with_partial<T>(&self, see: impl FnOnce(&[u8]) -> T) -> T {
        let end = self.end.get();
        let chunks = self.chunks.borrow();
        match chunks.back() {
            Some(last) if last.end() == end => {
                see(last.block.bytes(last.range(sector_floor(end), end)))
            }
            _ => see(&[]),
        }
    }

    fn fresh_block(&self, bytes: usize) -> Rc<Block> {
        self.with_partial(|partial| {
            let mut buf = Buf::with_capacity(self.capacity.get().max(partial.len() + bytes));
            buf.extend_from_slice(partial);
            self.capacity.set((self.capacity.get() * 2).min(CHUNK_MAX));
            Block::new(buf)
        })
    }

    fn link(&self, block: Rc<Block>, own_offset: Offset) {
        let own = self.end.get();
        let number = self.next_number.get();
        self.next_number.set(number + 1);
        self.budget.chunk_added(&self.me, number, block.capacity());
        let start = sector_floor(own);
        let since = self.budget.appended_bytes();
        self.chunks.borrow_mut().push_back(Chunk { number, start, own, own_offset, since, block });
    }

    /// The budget wants chunk `number` back, and with it what is older: false when something of it
    /// is not written yet. The newest is only shrunk to the sector that the next write needs.
    pub(super) fn give_back(&self, number: u64) -> bool {
        let mut chunks = self.chunks.borrow_mut();
        loop {
            let Some(first) = chunks.front().filter(|first| first.number <= number) else {
                return true;
            };
            if first.end() > self.written.get() {
                return false;
            }
            if chunks.len() == 1 {
                break;
            }
            self.budget.memory_returned(first.block.capacity());
            chunks.pop_front();
        }
        let first = &chunks[0];
        if first.block.capacity() > CHUNK_MIN {
            let end = first.end();
            let partial = first.block.bytes(first.range(sector_floor(end), end));
            let block = Block::new(Buf::copy_of(partial));
            self.budget.memory_returned(first.block.capacity());
            self.budget.memory_taken(block.capacity());
            let own_offset = self.offset_at_end(first);
            let (start, since) = (sector_floor(end), self.budget.appended_bytes());
            chunks[0] = Chunk { number, start, own: end, own_offset, since, block };
            self.capacity.set(CHUNK_MIN);
        }
        true
    }

    fn offset_at_end(&self, chunk: &Chunk) -> Offset {
        let mut offset = chunk.own_offset;
        scan_chunk(chunk, chunk.own, |_, header| {
            offset = header.last_offset() + 1;
            true
        });
        offset
    }

    /// The address of a batch boundary at or before `offset`, when memory reaches back that far.
    pub(super) fn boundary_before(&self, offset: Offset) -> Option<u64> {
        let chunks = self.chunks.borrow();
        let after = chunks.partition_point(|chunk| chunk.own_offset <= offset);
        Some(chunks.get(after.checked_sub(1)?)?.own)
    }

    /// Visits the batches from `from` (a batch boundary in memory) on, while `visit` says so.
    pub(super) fn scan(&self, from: u64, mut visit: impl FnMut(u64, &Header) -> bool) {
        let chunks = self.chunks.borrow();
        let first = chunks.partition_point(|chunk| chunk.end() <= from);
        for chunk in chunks.range(first..) {
            if !scan_chunk(chunk, from.max(chunk.own), &mut visit) {
                return;
            }
        }
    }

    /// Shares the bytes of `from..to`, all of it in memory and in one segment.
    pub(super) fn share(&self, from: u64, to: u64, out: &mut Vec<Piece>) {
        let chunks = self.chunks.borrow();
        let first = chunks.partition_point(|chunk| chunk.end() <= from);
        if let Some(chunk) = chunks.get(first) {
            self.budget.reached_back(self.budget.appended_bytes() - chunk.since);
        }
        for chunk in chunks.range(first..) {
            let (low, high) = (from.max(chunk.own), to.min(chunk.end()));
            if low >= high {
                break;
            }
            out.push(Piece::Bytes(Slice::new(&chunk.block, chunk.range(low, high))));
        }
    }

    /// What the device is to hold from `from` to `to`, both aligned; `to` may reach over the end of
    /// the file's bytes by less than a sector, which is then zeros.
    pub(super) fn device_slices(&self, from: u64, to: u64) -> Vec<DeviceSlice> {
        let chunks = self.chunks.borrow();
        let first = chunks.partition_point(|chunk| chunk.end() <= from);
        let mut slices = Vec::new();
        let mut at = from;
        for (index, chunk) in chunks.iter().enumerate().skip(first) {
            if at >= to {
                break;
            }
            let next_continues = chunks
                .get(index + 1)
                .is_some_and(|next| next.own == chunk.end() && next.start < to);
            let high = if next_continues {
                sector_floor(chunk.end())
            } else {
                let high = sector_ceil(chunk.end());
                chunk.block.zero_to((high - chunk.start) as usize);
                high
            };
            let high = high.min(to);
            if at < high {
                slices.push(DeviceSlice::new(&chunk.block, chunk.range(at, high)));
                at = high;
            }
        }
        assert_eq!(at, to, "the tail holds what is to be written");
        slices
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        for chunk in self.chunks.get_mut() {
            self.budget.memory_returned(chunk.block.capacity());
        }
    }
}

/// False when `visit` ended it.
fn scan_chunk(chunk: &Chunk, from: u64, mut visit: impl FnMut(u64, &Header) -> bool) -> bool {
    let mut at = from;
    while at < chunk.end() {
        let bytes = chunk.block.bytes(chunk.range(at, chunk.end()));
        let header =
            Header::read(&bytes[..HEADER.min(bytes.len())]).expect("what was appended was checked");
        if !visit(at, &header) {
            return false;
        }
        at += header.len as u64;
    }
    true
}
