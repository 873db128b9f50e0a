//! Counts what this test binary allocates, so that tests can say how much reading a message may.
#![expect(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    // No value while the thread ends: nobody measures then.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches only a thread-local
// cell, which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Runs `work` and yields its result and the largest block it asked for, in bytes.
pub fn largest_during<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LARGEST.replace(0);
    let result = work();
    let largest = LARGEST.get();
    LARGEST.set(before.max(largest));
    (result, largest)
}

#[test]
fn a_reservation_is_noticed() {
    let (vec, largest) = largest_during(|| Vec::<u8>::with_capacity(12_345));
    assert_eq!((vec.capacity(), largest), (12_345, 12_345));
}
