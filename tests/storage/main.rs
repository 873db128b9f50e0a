//! The log engine on real disks and in the simulator.

mod appends;
mod support;
