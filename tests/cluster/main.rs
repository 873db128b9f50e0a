//! Whole brokers in the simulator: what clients were promised, through crashes of every kind.
//! `RINGMAIN_SEEDS=4711` runs one seed, `RINGMAIN_SEEDS=0..100000` a night.

mod admin;
mod bad_net;
mod broker;
mod caller;
mod consumer;
mod crashes;
mod decisions;
mod directories;
mod flushes;
mod groups;
mod guide;
mod history;
mod ledger;
mod library;
mod member;
mod mishap;
mod offline;
#[cfg(feature = "planted-bugs")]
mod planted;
mod producer;
mod reader;
mod readers;
#[cfg(feature = "planted-bugs")]
#[path = "../support/rerun.rs"]
mod rerun;
#[path = "../support/seeds.rs"]
mod seeds;
mod space;
mod transactions;
