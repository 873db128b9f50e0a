//! `ringmain group`: list, describe, reset offsets, delete.

mod delete;
mod describe;
mod idle;
mod lag;
mod list;
mod place;
mod reset;
pub mod sharing;

use clap::Subcommand;

use super::failure::Failure;
pub use idle::subscription;
pub use lag::ago;

#[derive(Subcommand)]
pub enum Group {
    /// List consumer groups
    List(list::List),
    /// Show groups with their members, and how far behind they are
    Describe(describe::Describe),
    /// Let a group go on somewhere else
    ResetOffsets(reset::Reset),
    /// Delete groups without members, and what they have committed
    Delete(delete::Delete),
}

pub fn run(group: Group) -> Result<(), Failure> {
    match group {
        Group::List(list) => list::run(list),
        Group::Describe(describe) => describe::run(describe),
        Group::ResetOffsets(reset) => reset::run(reset),
        Group::Delete(delete) => delete::run(delete),
    }
}

/// What a broker calls a group that does not exist.
const DEAD: &str = "Dead";
const EMPTY: &str = "Empty";

fn missing(name: &str) -> Failure {
    Failure::Told(format!(
        "there is no group {name} (`ringmain group list` shows those that exist)"
    ))
}
