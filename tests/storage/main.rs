//! The log engine on real disks and in the simulator.

mod appends;
mod crashes;
mod outages;
#[path = "../support/seeds.rs"]
mod seeds;
mod support;
