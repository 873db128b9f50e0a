//! The protocol's primitive types over slices. The reader is bounded by its slice; the writer
//! appends to a vector of the caller's.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;

/// Longest string of the protocol in bytes, in either encoding.
pub const STRING_LEN_MAX: usize = i16::MAX as usize;
