//! Small pieces of the broker by themselves: each does some operations, says how long they took, and
//! gives a hash of what came out, so that a quicker wrong answer is seen. `cargo bench -p ringmain-bench --bench micro`
//! measures them; a test runs them small.

mod append;
mod batches;
mod codec;
mod dispatch;
mod hash;
mod index;
mod mesh;

use std::time::Duration;

pub use hash::Hash;

/// What a run found.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub took: Duration,
    pub hash: u64,
}

/// A piece: its name, what one operation is, and how to do so many.
pub struct Piece {
    pub name: &'static str,
    pub operation: &'static str,
    pub run: fn(u64) -> Done,
}

pub const PIECES: &[Piece] = &[
    Piece {
        name: "codec_produce",
        operation: "a produce request of 10 partitions read and written",
        run: codec::produce,
    },
    Piece {
        name: "codec_fetch",
        operation: "a fetch answer of 10 partitions written and read",
        run: codec::fetch,
    },
    Piece {
        name: "validate",
        operation: "a batch of 64 records of 1 KiB checked (CRC, counts, walk)",
        run: batches::validate,
    },
    Piece {
        name: "append",
        operation: "a batch of 16 records of 1 KiB appended",
        run: append::append,
    },
    Piece {
        name: "index",
        operation: "an offset looked up among 100,000 entries",
        run: index::look_up,
    },
    Piece { name: "mesh_hop", operation: "a message to the other core and back", run: mesh::hop },
    Piece {
        name: "dispatch",
        operation: "a Metadata request through a whole broker, in the simulator",
        run: dispatch::dispatch,
    },
];
