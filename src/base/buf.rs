//! Aligned memory for the data path, pooled per thread.
//!
//! [`Buf`] has one owner and grows like a `Vec`; it is what the kernel receives and reads into.
//! [`Block`] is the shared, append-only form: bytes below its length never change again, so slices
//! of them may be sent, written and served while new bytes are appended behind them.
//!
//! All memory is zeroed when it first comes from the allocator and stays initialised for ever, so
//! a length may be set to anything below the capacity without reading undefined bytes.
#![expect(unsafe_code, reason = "the one place that owns raw memory; each block states its proof")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;
use std::rc::Rc;

/// Alignment in memory and on the device, in bytes: O_DIRECT on every common device.
pub const ALIGN: usize = 4096;

/// Sizes handed out by the pool, in bytes; larger requests are exact and not pooled.
const CLASSES: [usize; 12] = [
    4 << 10,
    8 << 10,
    16 << 10,
    32 << 10,
    64 << 10,
    80 << 10,
    128 << 10,
    256 << 10,
    320 << 10,
    512 << 10,
    1 << 20,
    (1 << 20) + (256 << 10),
];

/// Bytes that one thread keeps for reuse; what is freed beyond goes back to the allocator.
const POOL_BYTES_MAX: usize = 32 << 20;

#[derive(Default)]
struct Pool {
    free: [Vec<NonNull<u8>>; CLASSES.len()],
    bytes: usize,
}

impl Drop for Pool {
    fn drop(&mut self) {
        for (class, list) in self.free.iter_mut().enumerate() {
            for ptr in list.drain(..) {
                release(ptr, CLASSES[class]);
            }
        }
    }
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

fn class_of(capacity: usize) -> Option<usize> {
    CLASSES.iter().position(|&size| size >= capacity)
}

fn layout(capacity: usize) -> Layout {
    Layout::from_size_align(capacity, ALIGN).expect("capacity is bounded far below isize::MAX")
}

fn acquire(capacity: usize) -> (NonNull<u8>, usize) {
    let class = class_of(capacity);
    let size = class.map_or_else(|| capacity.next_multiple_of(ALIGN), |class| CLASSES[class]);
    let pooled = class.and_then(|class| {
        POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            let ptr = pool.free[class].pop()?;
            pool.bytes -= size;
            Some(ptr)
        })
        .ok()
        .flatten()
    });
    let ptr = pooled.unwrap_or_else(|| {
        // SAFETY: the layout's size is not zero: every class and every rounded capacity is at
        // least ALIGN, because callers pass at least one byte.
        let ptr = unsafe { alloc_zeroed(layout(size)) };
        NonNull::new(ptr).unwrap_or_else(|| handle_alloc_error(layout(size)))
    });
    (ptr, size)
}

fn release(ptr: NonNull<u8>, size: usize) {
    // SAFETY: `ptr` came from `alloc_zeroed` with this very layout and is given up by its owner.
    unsafe { dealloc(ptr.as_ptr(), layout(size)) }
}

/// Aligned bytes with one owner. Indexing sees the first `len` bytes.
pub struct Buf {
    ptr: NonNull<u8>,
    capacity: usize,
    len: usize,
}

// SAFETY: a Buf owns its memory alone and has no thread affinity; the pool it returns to is that of
// the thread which drops it.
unsafe impl Send for Buf {}
// SAFETY: through a shared reference a Buf can only be read.
unsafe impl Sync for Buf {}

impl Buf {
    /// An empty buffer of at least `capacity` bytes, from this thread's pool where it has one.
    pub fn with_capacity(capacity: usize) -> Buf {
        let (ptr, capacity) = acquire(capacity.max(1));
        Buf { ptr, capacity, len: 0 }
    }

    pub fn copy_of(bytes: &[u8]) -> Buf {
        let mut buf = Buf::with_capacity(bytes.len());
        buf.extend_from_slice(bytes);
        buf
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes between the length and the capacity.
    pub fn spare(&self) -> usize {
        self.capacity - self.len
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Sets the length; what lies between the old and the new one is whatever was there before.
    pub fn set_len(&mut self, len: usize) {
        assert!(len <= self.capacity, "a length beyond the buffer");
        self.len = len;
    }

    /// Makes room for `additional` bytes beyond the length, moving to a larger block if needed.
    pub fn reserve(&mut self, additional: usize) {
        if self.spare() >= additional {
            return;
        }
        let wanted = (self.len + additional).max(self.capacity * 2);
        let mut larger = Buf::with_capacity(wanted);
        larger.extend_from_slice(self);
        *self = larger;
    }

    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let start = self.len;
        self.len += bytes.len();
        self[start..].copy_from_slice(bytes);
    }

    /// Drops the first `count` bytes and moves the rest to the front.
    pub fn consume(&mut self, count: usize) {
        let len = self.len;
        self.copy_within(count..len, 0);
        self.len = len - count;
    }

    /// The first byte, for the kernel. Valid for `capacity` bytes while the buffer lives.
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }
}

impl Deref for Buf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: ptr is valid and initialised for `capacity >= len` bytes, and we own it.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl DerefMut for Buf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        let kept = class_of(self.capacity).is_some_and(|class| {
            CLASSES[class] == self.capacity
                && POOL
                    .try_with(|pool| {
                        let mut pool = pool.borrow_mut();
                        let room = pool.bytes + self.capacity <= POOL_BYTES_MAX;
                        if room {
                            pool.bytes += self.capacity;
                            pool.free[class].push(self.ptr);
                        }
                        room
                    })
                    .unwrap_or(false)
        });
        if !kept {
            release(self.ptr, self.capacity);
        }
    }
}

impl std::fmt::Debug for Buf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buf({} of {})", self.len, self.capacity)
    }
}

/// Shared, append-only bytes of one core. What lies below `len` never changes.
pub struct Block {
    buf: Buf,
    len: Cell<usize>,
}

impl Block {
    /// Takes over a buffer; its present content becomes the first, immutable part.
    pub fn new(buf: Buf) -> Rc<Block> {
        let len = Cell::new(buf.len());
        Rc::new(Block { buf, len })
    }

    pub fn len(&self) -> usize {
        self.len.get()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    pub fn spare(&self) -> usize {
        self.capacity() - self.len()
    }

    /// Copies `bytes` behind the length, lets `stamp` change the copy, then publishes it.
    pub fn append_with(&self, bytes: &[u8], stamp: impl FnOnce(&mut [u8])) -> Range<usize> {
        let start = self.len();
        assert!(bytes.len() <= self.spare(), "append beyond the block");
        // SAFETY: the target lies inside the allocation and above `len`, where no shared slice
        // reaches; `stamp` cannot reach this block's length, so the borrow stays unique.
        let target =
            unsafe { std::slice::from_raw_parts_mut(self.buf.as_ptr().add(start), bytes.len()) };
        target.copy_from_slice(bytes);
        stamp(target);
        assert_eq!(self.len(), start, "a stamp must not append");
        self.len.set(start + bytes.len());
        start..start + bytes.len()
    }

    pub fn append(&self, bytes: &[u8]) -> Range<usize> {
        self.append_with(bytes, |_| {})
    }

    /// Zeroes from the length up to `end`, which must lie inside the block; the length stays.
    pub fn zero_to(&self, end: usize) {
        assert!(end <= self.capacity());
        let start = self.len();
        if end > start {
            // SAFETY: inside the allocation, above `len`: no shared slice covers it.
            unsafe { self.buf.as_ptr().add(start).write_bytes(0, end - start) }
        }
    }

    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        assert!(range.start <= range.end && range.end <= self.len());
        // SAFETY: inside the initialised part below `len`, which is never written again.
        unsafe { std::slice::from_raw_parts(self.buf.as_ptr().add(range.start), range.len()) }
    }
}

/// A part of a [`Block`] below its length: may be read, sent and kept.
#[derive(Clone)]
pub struct Slice {
    block: Rc<Block>,
    start: usize,
    end: usize,
}

impl Slice {
    pub fn new(block: &Rc<Block>, range: Range<usize>) -> Slice {
        assert!(range.start <= range.end && range.end <= block.len());
        Slice { block: block.clone(), start: range.start, end: range.end }
    }

    /// Drops the first `count` bytes.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.end - self.start);
        self.start += count;
    }

    /// Keeps the first `count` bytes.
    pub fn truncate(&mut self, count: usize) {
        self.end = self.end.min(self.start + count);
    }
}

impl From<Buf> for Slice {
    fn from(buf: Buf) -> Slice {
        let end = buf.len();
        Slice { block: Block::new(buf), start: 0, end }
    }
}

impl Deref for Slice {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.block.bytes(self.start..self.end)
    }
}

/// A part of a [`Block`] for the device: aligned at both ends, and it may reach past the length
/// (padding). It cannot be read as a slice, because bytes past the length may still change.
#[derive(Clone)]
pub struct DeviceSlice {
    block: Rc<Block>,
    start: usize,
    end: usize,
}

impl DeviceSlice {
    pub fn new(block: &Rc<Block>, range: Range<usize>) -> DeviceSlice {
        assert_eq!(range.start % ALIGN, 0, "unaligned start");
        assert_eq!(range.end % ALIGN, 0, "unaligned end");
        assert!(range.start < range.end && range.end <= block.capacity());
        DeviceSlice { block: block.clone(), start: range.start, end: range.end }
    }

    pub fn len(&self) -> usize {
        self.end - self.start
    }

    pub fn is_empty(&self) -> bool {
        false
    }

    /// The first byte, for the kernel.
    pub(crate) fn as_ptr(&self) -> *const u8 {
        // SAFETY: `start` lies inside the allocation (checked when it was made).
        unsafe { self.block.buf.as_ptr().add(self.start) }
    }

    /// Appends a copy of the bytes as they are now.
    pub fn copy_to(&self, out: &mut Vec<u8>) {
        // SAFETY: inside the initialised allocation; a Block never leaves its thread and nothing
        // appends to it while this copy runs.
        out.extend_from_slice(unsafe { std::slice::from_raw_parts(self.as_ptr(), self.len()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_aligned_grows_and_keeps_its_bytes() {
        let mut buf = Buf::with_capacity(10);
        assert_eq!(buf.as_ptr() as usize % ALIGN, 0);
        for i in 0..100_000u32 {
            buf.extend_from_slice(&i.to_le_bytes());
        }
        assert_eq!(buf.len(), 400_000);
        assert_eq!(&buf[4 * 77_777..][..4], &77_777u32.to_le_bytes());
        buf.consume(4 * 99_999);
        assert_eq!(&buf[..], &99_999u32.to_le_bytes());
    }

    #[test]
    fn slices_of_a_block_stay_while_it_is_appended_to() {
        let block = Block::new(Buf::with_capacity(ALIGN));
        let first = block.append(b"hello");
        let slice = Slice::new(&block, first);
        let second = block.append_with(b"world", |bytes| bytes[0] = b'W');
        assert_eq!(&slice[..], b"hello");
        assert_eq!(block.bytes(second), b"World");
        block.zero_to(64);
        let mut out = Vec::new();
        DeviceSlice::new(&block, 0..ALIGN).copy_to(&mut out);
        assert_eq!(&out[..12], b"helloWorld\0\0");
    }

    #[test]
    fn a_dropped_buffer_is_reused_by_its_thread() {
        let first = Buf::with_capacity(64 << 10);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(Buf::with_capacity(64 << 10).as_ptr(), address);
    }
}
