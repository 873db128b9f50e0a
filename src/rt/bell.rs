//! How another thread reaches a core: it publishes something, then rings. A core that is awake hears
//! of it at its next round for the price of one store; one that sleeps is woken by an eventfd.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

use crate::base::planted;

pub(super) struct Bell {
    rung: AtomicBool,
    /// The core sleeps, or is about to.
    asleep: AtomicBool,
    /// Blocking: the ring waits for it, and its counter never gets full.
    pub(super) wire: OwnedFd,
}

impl Bell {
    pub fn new() -> io::Result<Bell> {
        let wire = eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Bell { rung: AtomicBool::new(false), asleep: AtomicBool::new(false), wire })
    }

    /// Tells the core to look again. What it shall find was published before.
    pub fn ring(&self) {
        // All in one order: either we see that it sleeps, or it sees, before it does, that we rang.
        if !self.rung.swap(true, Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            // Cannot fail: the descriptor is ours, and open.
            let _ = rustix::io::write(&self.wire, &1u64.to_ne_bytes());
        }
    }

    /// Whether it rang since it was last asked.
    pub fn answer(&self) -> bool {
        // Mostly it did not, and a load is cheaper.
        self.rung.load(Ordering::Relaxed) && self.rung.swap(false, Ordering::SeqCst)
    }

    /// From here on whoever rings wakes the core. False: somebody rang already.
    pub fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        !self.rung.load(Ordering::SeqCst) || planted::is("sleep-without-a-last-look")
    }

    pub fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Bell;

    fn wire(bell: &Bell) -> bool {
        let mut poll = [rustix::event::PollFd::new(&bell.wire, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut poll, Some(&Default::default())).expect("poll") == 1
    }

    #[test]
    fn only_a_sleeping_core_is_woken() {
        let bell = Bell::new().expect("an eventfd");
        bell.ring();
        assert!(!wire(&bell), "an awake core looks by itself");
        assert!(!bell.fall_asleep(), "it must not sleep over what was said");
        assert!(bell.answer() && !bell.answer());
        assert!(bell.fall_asleep());
        bell.ring();
        bell.ring();
        assert!(wire(&bell));
        bell.wake_up();
        assert!(bell.answer());
    }
}
