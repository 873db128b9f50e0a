//! Vectors of answers that were sent, for the next ones: a warmed-up core allocates none.

use std::cell::RefCell;

/// Vectors kept for the next answers.
const SPARE_MAX: usize = 256;
/// An answer's vector that grew beyond this is not kept.
const SPARE_BYTES_MAX: usize = 4096;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty vector for an answer, from those of answers that were sent.
pub fn spare_vec() -> Vec<u8> {
    SPARE.with(|spare| spare.borrow_mut().pop()).unwrap_or_else(|| Vec::with_capacity(128))
}

/// Gives a sent answer's vector back.
pub fn recycle_vec(mut vec: Vec<u8>) {
    if vec.capacity() <= SPARE_BYTES_MAX {
        SPARE.with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_MAX {
                vec.clear();
                spare.push(vec);
            }
        });
    }
}
