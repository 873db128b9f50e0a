//! The time of all machines of a kind on this core: one task, which sleeps until the next of them
//! has something to do, and ends when none has.

use std::rc::Rc;
use std::time::Duration;

use super::Coordinated;
use super::seat::now;
use crate::base::time::Instant;
use crate::rt;
use crate::shard::Shard;

/// Between two looks at a partition that is held.
const HELD_PAUSE: Duration = Duration::from_millis(20);

impl Shard {
    /// A machine wants to be woken at this time.
    pub(super) fn keep_time<M: Coordinated>(self: &Rc<Self>, wake_at: Option<Instant>) {
        let seats = M::seats(self);
        let Some(wake_at) = wake_at else { return };
        match seats.looks_at.get() {
            Some(looks_at) if looks_at <= wake_at => {}
            Some(_) => {
                seats.looks_at.set(Some(wake_at));
                seats.earlier.raise();
            }
            None => {
                seats.looks_at.set(Some(wake_at));
                let shard = self.clone();
                rt::spawn(async move { shard.watch_time::<M>().await }).detach();
            }
        }
    }

    async fn watch_time<M: Coordinated>(self: Rc<Self>) {
        let seats = M::seats(&self);
        while !seats.closing.get() {
            let next = seats.seats.borrow().values().filter_map(|seat| seat.wake_at()).min();
            seats.looks_at.set(next);
            let Some(next) = next else { return };
            let left = next.since(rt::now());
            if !left.is_zero() {
                // Somebody who has to be woken earlier raises the signal.
                rt::timeout(left, seats.earlier.wait()).await;
                continue;
            }
            let now = now();
            for seat in seats.all() {
                // What has come waits for a log that goes on elsewhere, which is soon.
                while seat.partition.hold.is_on() && !seats.closing.get() {
                    rt::sleep(HELD_PAUSE).await;
                }
                if seat.wake_at().is_some_and(|at| at <= now.at) {
                    seat.turn(&self, |machine| machine.elapse(now));
                }
            }
            rt::yield_now().await;
        }
        seats.looks_at.set(None);
    }
}
