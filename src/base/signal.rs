//! A level that one task raises and others wait for, on the same core. Raising it twice before
//! anybody looks counts once: it says "look again", not how often.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

#[derive(Default)]
pub struct Signal {
    raised: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Signal {
    pub fn raise(&self) {
        self.raised.set(true);
        for waker in self.waiting.borrow_mut().drain(..) {
            waker.wake();
        }
    }

    /// Whether it is raised; lowers it.
    pub fn take(&self) -> bool {
        self.raised.replace(false)
    }

    /// Waits until the signal is raised, and lowers it.
    pub async fn wait(&self) {
        poll_fn(|cx| {
            if self.raised.replace(false) {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

/// An event many tasks wait for: each `wait` ends with the next `raise`. It remembers nothing, so
/// whoever waits checks its condition first, without suspending in between.
#[derive(Default)]
pub struct Broadcast {
    waiting: RefCell<Vec<Waker>>,
    round: Cell<u64>,
}

impl Broadcast {
    pub fn raise(&self) {
        self.round.set(self.round.get() + 1);
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        for waker in waiting {
            waker.wake();
        }
    }

    pub async fn wait(&self) {
        self.wait_since(self.round.get()).await;
    }

    /// How often it was raised.
    pub fn round(&self) -> u64 {
        self.round.get()
    }

    /// Waits for a `raise` after that round, which may have been.
    pub async fn wait_since(&self, round: u64) {
        poll_fn(|cx| {
            if self.round.get() != round {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}
