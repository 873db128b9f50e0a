//! The simulator: the runtime's other side. Whole brokers and their clients run on the calling
//! thread, on virtual cores of virtual hosts, with every choice drawn from one seed: which task
//! runs next, how long a write takes, which sectors survive a power cut, how a stream is split.
//!
//! [`Sim`] is what a test holds. Time is virtual: it moves a little with every poll and jumps to
//! the next timer or completion when nothing can run. Equal seeds give equal
//! [traces](Sim::trace_hash). Nothing here reads a real clock, a real file or a real socket, and
//! nothing iterates a hash table.

mod agenda;
mod clock;
mod core;
mod dice;
pub mod disk;
mod host;
mod mesh;
mod net;
mod op;
mod options;
mod simulation;
mod task;
mod trace;
mod world;

pub use clock::Sleep;
pub use core::Core;
pub use disk::fault::{DiskOp, Fault, FaultRule};
pub use disk::file::{File, Pending, Watch};
pub use host::HostId;
pub use mesh::{MeshReceiver, MeshSeat, MeshSender, mesh_seats};
pub use net::listener::Listener;
pub use net::stream::Stream;
pub use options::{Delay, DiskOptions, NetOptions, SimOptions, Talk, TaskOrder};
pub use simulation::{CrashKind, Sim};
pub use task::Task;
