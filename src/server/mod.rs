//! The front of a core: listeners, connections and the frames on them.

mod connection;
mod listener;

pub use listener::Front;
