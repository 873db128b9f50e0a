//! The only door to the data runtime. Everything above says `rt::spawn`, `rt::now`, `rt::File`,
//! `rt::Stream`, `rt::mesh` and never learns whether a real core or the simulator answers.
//!
//! A *core* is one thread of the real runtime, pinned and running one glommio executor with one
//! side ring, or one of the simulator's virtual cores. Nothing here crosses cores except
//! [`mesh`] (core to core) and [`inbox`] (any thread to a core).

mod bell;
mod cachestat;
mod clock;
mod current;
pub mod file;
pub mod glommio;
mod inbox;
mod lane;
mod mesh;
mod notice;
pub mod ring;
pub mod sim;
mod task;
pub mod tcp;
mod trail;
mod writing;

pub use clock::{now, sleep, timeout, unix_ms};
pub use current::core_stats;
pub use file::{File, FileRange, OpenOptions};
pub use inbox::{Inbox, InboxSender, inbox};
pub use mesh::{MeshPort, MeshReceiver, MeshSeat, mesh};
pub use notice::write_notice;
pub use task::{Task, blocking, should_yield, spawn, spawn_background, yield_now};
pub use tcp::{Listener, Piece, Stream};

/// What one core did since it started; a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreStats {
    /// Operations given to the side ring.
    pub operations: u64,
    /// System calls that submitted or reaped them.
    pub enters: u64,
    /// And those in which the core slept.
    pub sleeps: u64,
    /// Sends asked to go out without a copy, and those that the kernel copied all the same.
    pub zero_copy_sends: u64,
    pub zero_copy_refused: u64,
}

impl std::ops::AddAssign for CoreStats {
    fn add_assign(&mut self, other: CoreStats) {
        self.operations += other.operations;
        self.enters += other.enters;
        self.sleeps += other.sleeps;
        self.zero_copy_sends += other.zero_copy_sends;
        self.zero_copy_refused += other.zero_copy_refused;
    }
}
