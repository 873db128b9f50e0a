//! The log engine on real disks and in the simulator.

mod appends;
mod cleaning;
mod compression;
mod crashes;
mod damage;
mod kafka;
mod keyed;
mod lives;
mod lookups;
mod outages;
#[cfg(feature = "planted-bugs")]
mod planted;
mod recycling;
mod removal;
mod repairs;
mod replacing;
#[cfg(feature = "planted-bugs")]
#[path = "../support/rerun.rs"]
mod rerun;
#[path = "../support/seeds.rs"]
mod seeds;
mod shrinking;
mod small_files;
mod space;
mod support;
mod transactions;
mod upkeep;
