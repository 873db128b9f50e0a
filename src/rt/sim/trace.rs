//! A running hash of everything that happens, to tell whether two runs were the same.

use std::cell::Cell;
use std::fmt;

use super::options::Talk;

pub(super) struct Trace {
    hash: Cell<u64>,
    talk: Talk,
}

impl Trace {
    pub(super) fn new(talk: Talk) -> Trace {
        Trace { hash: Cell::new(0xcbf2_9ce4_8422_2325), talk }
    }

    pub(super) fn note(&self, now: u64, what: &'static str, a: u64, b: u64) {
        let mut hash = self.hash.get();
        let name =
            what.bytes().fold(0u64, |name, byte| (name << 5) ^ (name >> 59) ^ u64::from(byte));
        for word in [now, name, a, b] {
            hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
        self.hash.set(hash);
        if self.talk == Talk::Events {
            eprintln!("{:>14.6} {what} {a} {b}", now as f64 / 1e9);
        }
    }

    pub(super) fn say(&self, now: u64, host: &str, message: fmt::Arguments<'_>) {
        if self.talk >= Talk::Notices {
            eprintln!("{:>14.6} {host}: {message}", now as f64 / 1e9);
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash.get()
    }
}
