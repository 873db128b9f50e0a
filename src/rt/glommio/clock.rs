//! The machine's clocks, and the tasks that wait for a time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::base::time::Instant;

/// Monotonic time since this process first asked.
pub fn now() -> Instant {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    let start = START.get_or_init(std::time::Instant::now);
    Instant::from_nanos(start.elapsed().as_nanos() as u64)
}

pub fn unix_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_millis() as i64,
        Err(before) => -(before.duration().as_millis() as i64),
    }
}

/// Who waits for what time on this core.
#[derive(Default)]
pub(super) struct Timers {
    waiting: RefCell<BTreeMap<Key, Waker>>,
    next: Cell<u64>,
}

/// The number tells apart what ends at the same time.
type Key = (Instant, u64);

impl Timers {
    pub fn sleep(self: &Rc<Timers>, duration: Duration) -> Sleep {
        let number = self.next.get();
        self.next.set(number + 1);
        Sleep { timers: self.clone(), key: (now() + duration, number), waits: false }
    }

    /// The next one that ends.
    pub fn first(&self) -> Option<Instant> {
        self.waiting.borrow().first_key_value().map(|((at, _), _)| *at)
    }

    /// Wakes whose time has come; whether there were any.
    pub fn fire(&self, now: Instant) -> bool {
        let mut any = false;
        while self.first().is_some_and(|at| at <= now) {
            let first = self.waiting.borrow_mut().pop_first();
            first.expect("seen just now").1.wake();
            any = true;
        }
        any
    }
}

/// Ends when its time has come; dropped before, nobody is woken.
pub struct Sleep {
    timers: Rc<Timers>,
    key: Key,
    waits: bool,
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.key.0 <= now() {
            return Poll::Ready(());
        }
        self.waits = true;
        self.timers.waiting.borrow_mut().insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if self.waits {
            self.timers.waiting.borrow_mut().remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Wake};
    use std::time::Duration;

    use super::{Timers, now};

    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn timers_end_in_their_order_and_dropped_ones_never() {
        let timers = Rc::new(Timers::default());
        let count = Arc::new(Count(AtomicU32::new(0)));
        let waker = count.clone().into();
        let mut cx = Context::from_waker(&waker);
        let minute = Duration::from_secs(60);
        let mut sleeps: Vec<_> =
            (1..=3).map(|minutes| Box::pin(timers.sleep(minutes * minute))).collect();
        sleeps.iter_mut().for_each(|sleep| assert!(sleep.as_mut().poll(&mut cx).is_pending()));
        assert!(!timers.fire(now()));
        drop(sleeps.remove(1));
        assert!(timers.fire(now() + minute) && count.0.load(Ordering::Relaxed) == 1);
        assert!(!timers.fire(now() + 2 * minute));
        assert!(timers.fire(now() + 3 * minute) && count.0.load(Ordering::Relaxed) == 2);
        assert_eq!(timers.first(), None);
        let mut over = Box::pin(timers.sleep(Duration::ZERO));
        assert!(over.as_mut().poll(&mut cx).is_ready());
    }
}
