//! What processes and the host used, from /proc.

pub mod host;
pub mod process;
pub mod usage;
