//! Changing which files a log consists of: one task at a time, whether it deletes from the front or
//! replaces what was cleaned.

use std::cell::Cell;

use super::Log;
use crate::base::signal::Broadcast;

#[derive(Default)]
pub(super) struct Reshaping {
    is_under_way: Cell<bool>,
    ended: Broadcast,
}

/// Ends with its drop.
pub(super) struct Turn<'a>(&'a Reshaping);

impl Log {
    pub(super) async fn reshape(&self) -> Turn<'_> {
        while self.reshaping.is_under_way.replace(true) {
            self.reshaping.ended.wait().await;
        }
        Turn(&self.reshaping)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.is_under_way.set(false);
        self.0.ended.raise();
    }
}
