//! What one core gives its cleaner: memory, a share of the device, and leave to go on. Belongs to
//! the core and may change at any moment.

use std::cell::Cell;
use std::time::Duration;

use crate::base::signal::Broadcast;
use crate::base::time::Instant;
use crate::rt;

/// Shorter waits are saved up.
const WAIT_MIN: Duration = Duration::from_millis(10);
/// After which a wait looks whether it is still wanted.
const WAIT_MAX: Duration = Duration::from_millis(500);

pub struct Means {
    /// Of the table of keys, and how full it may get.
    pub memory_bytes: Cell<usize>,
    pub load_factor: Cell<f64>,
    /// Read and written together.
    pub bytes_per_second: Cell<f64>,
    /// False stops a cleaning that is under way.
    pub is_allowed: Cell<bool>,
    /// Raised when any of it, or a setting of a log, is another one.
    pub changed: Broadcast,
    /// Bytes that were spent before their time, as of an instant.
    owed: Cell<f64>,
    as_of: Cell<Instant>,
}

impl Default for Means {
    /// As Kafka has it for one thread.
    fn default() -> Means {
        Means {
            memory_bytes: Cell::new(128 << 20),
            load_factor: Cell::new(0.9),
            bytes_per_second: Cell::new(f64::MAX),
            is_allowed: Cell::new(true),
            changed: Broadcast::default(),
            owed: Cell::new(0.0),
            as_of: Cell::new(rt::now()),
        }
    }
}

impl Means {
    /// Accounts for bytes read or written, and waits while they are more than there may be.
    pub(super) async fn spend(&self, bytes: u64) {
        self.owed.set(self.owed.get() + bytes as f64);
        while self.is_allowed.get() {
            let now = rt::now();
            let passed = now.since(self.as_of.replace(now)).as_secs_f64();
            let rate = self.bytes_per_second.get().max(1.0);
            let owed = (self.owed.get() - passed * rate).max(0.0);
            self.owed.set(owed);
            let wait = Duration::try_from_secs_f64(owed / rate).unwrap_or(Duration::MAX);
            if wait < WAIT_MIN {
                return;
            }
            rt::sleep(wait.min(WAIT_MAX)).await;
        }
    }
}
