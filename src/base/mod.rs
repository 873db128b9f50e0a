//! The ground floor: buffers, numbers, small containers. Knows nothing of Kafka and does no I/O.

pub mod buf;
pub mod hash;
pub mod oneshot;
pub mod planted;
pub mod prng;
pub mod signal;
pub mod siphash;
pub mod slab;
pub mod time;
pub mod varint;
