//! Looking at a log that nobody has open, and putting it in order: for the command line, on its own
//! thread, with ordinary blocking files.

mod dump;
mod leftover;
mod repair;
mod verify;
mod walk;

pub use dump::{Form, dump};
pub use repair::{Change, Remedy, Repaired, repair};
pub use verify::{Fault, verify};
