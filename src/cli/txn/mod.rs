//! `ringmain txn`: list, describe, find-hanging, abort.

mod abort;
mod describe;
mod find_hanging;
mod list;
mod producers;

use clap::Subcommand;

use super::failure::Failure;

#[derive(Subcommand)]
pub enum Txn {
    /// List transactional ids
    List(list::List),
    /// Show transactional ids with their transactions
    Describe(describe::Describe),
    /// Find transactions that hold up readers and that nobody will end
    FindHanging(find_hanging::FindHanging),
    /// End a transaction in one partition by force
    Abort(abort::Abort),
}

pub fn run(txn: Txn) -> Result<(), Failure> {
    match txn {
        Txn::List(list) => list::run(list),
        Txn::Describe(describe) => describe::run(describe),
        Txn::FindHanging(find) => find_hanging::run(find),
        Txn::Abort(abort) => abort::run(abort),
    }
}
