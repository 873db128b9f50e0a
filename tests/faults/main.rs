//! The broker as a process, and what may happen to it: killed under load, spoken to by hostile and
//! by absurd clients, restarted with other cores. Whatever happens, what it promised holds.

mod beats;
mod broker;
mod checker;
mod client;
mod coordinator;
mod damage;
mod exchange;
mod fetching;
mod full;
mod histories;
mod history;
mod hostile;
mod kills;
mod lanes;
mod load;
mod pipelining;
#[cfg(feature = "planted-bugs")]
mod planted;
mod power;
mod restarts;
mod samples;
mod topics;
mod transactions;

/// A number that the environment gives.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// The seed of this run: a fixed one, or `RINGMAIN_SEED`. Printed, so that a failure can be run again.
fn seed() -> u64 {
    let seed = number("RINGMAIN_SEED").unwrap_or(0x5eed);
    println!("RINGMAIN_SEED={seed}");
    seed
}
