//! Whole brokers in the simulator: what clients were promised, through crashes of every kind.
//! `RINGMAIN_SEEDS=4711` runs one seed, `RINGMAIN_SEEDS=0..100000` a night.

mod admin;
mod broker;
mod caller;
mod consumer;
mod crashes;
mod decisions;
mod guide;
mod history;
mod library;
mod mishap;
mod producer;
#[path = "../support/seeds.rs"]
mod seeds;
mod space;
mod transactions;
