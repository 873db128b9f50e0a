//! Transactions: who produces under which id and epoch, which partitions take part, and how it
//! ends. One [`TxnMachine`] for each partition of `__transaction_state`; a transactional id belongs to
//! the partition that [`partition_of`](super::hash::partition_of) says.
//!
//! ```text
//! Empty ──add──▶ Ongoing ──end──▶ PrepareCommit ──markers safe──▶ CompleteCommit ──add──▶ Ongoing
//!   ▲              │  ▲              (answered when safe)              │
//!   └──────init────┼──┼───────────────────────────────────────────────┘
//!                  └──┴─abort, time-out, newer producer─▶ PrepareAbort ──▶ CompleteAbort
//! ```
//!
//! Rules: KIP-98 (transactions), KIP-360 (epochs of a producer that lost its place), KIP-890 (each
//! transaction has an epoch of its own; partitions are added as they are written to).

mod machine;
pub mod record;
pub mod request;
mod rules;
pub mod state;
pub mod transaction;

pub use machine::TxnMachine;
pub use request::{Answer, Ask, Description, Effect, Ending, Filter, Listed, Request};
pub use state::State;
pub use transaction::{Level, Partitions, Producer, Transaction};

#[cfg(test)]
mod tests;
