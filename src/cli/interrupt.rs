//! Ctrl-C, and the polite way to be killed: the first asks the command to finish what it has begun,
//! the second ends the process.

use std::io;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::failure::Failure;
use crate::rt::{self, Inbox};

pub struct Interrupt(Inbox<()>);

impl Interrupt {
    /// From here on signals are caught. To be made outside the core.
    pub fn catch() -> Result<Interrupt, Failure> {
        let fault = |error: io::Error| format!("signals cannot be caught: {error}");
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(fault)?;
        let (sender, inbox) = rt::inbox(1).map_err(fault)?;
        thread::spawn(move || {
            for (place, signal) in signals.forever().enumerate() {
                if place > 0 || sender.try_send(()).is_err() {
                    std::process::exit(128 + signal);
                }
            }
        });
        Ok(Interrupt(inbox))
    }

    /// Only one task may wait.
    pub async fn wait(&self) {
        self.0.receive().await;
    }
}
