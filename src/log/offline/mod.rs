//! Looking at a log that nobody has open: for the command line, on its own thread, with ordinary
//! blocking files. Reads only; a log is repaired by opening it.

mod dump;
mod verify;
mod walk;

pub use dump::{Form, dump};
pub use verify::{Fault, verify};
