//! The log engine on real disks and in the simulator.

mod appends;
mod crashes;
mod damage;
mod kafka;
mod lookups;
mod outages;
mod removal;
#[path = "../support/seeds.rs"]
mod seeds;
mod support;
mod transactions;
