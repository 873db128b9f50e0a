//! A core's cycle: a task that comes after each of the others had its turn. It gives the kernel
//! what they asked for, wakes whom completions, bells and clocks call, and lets the core sleep, in
//! the side ring, when a whole round brought nothing.

use std::rc::Rc;

use super::super::task::yield_now;
use super::Core;
use super::clock::now;

pub(super) async fn cycle(core: Rc<Core>) {
    let mut turns = None;
    loop {
        let found = core.look();
        // The queue is first in, first out: whoever was woken in this round is before us in the next.
        let before = turns.replace(core.turns.count());
        if !found && before == turns && !core.turns.rest() {
            core.sleep_until_called();
        }
        yield_now().await;
    }
}

impl Core {
    /// Whether there was anything new.
    fn look(&self) -> bool {
        let moved = self.ring.turn();
        let heard = self.ears.listen();
        let now = now();
        let rang = self.timers.fire(now);
        self.turns.begin_round(now) || rang || heard || moved
    }

    fn sleep_until_called(&self) {
        let most = self.timers.first().map(|at| at.since(now()));
        if self.ears.fall_asleep() {
            self.ring.sleep(most);
        }
        self.ears.wake_up();
    }
}
