//! The result of an operation that is under way, for the task that waits for it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// Yields the value once it is there; never, when the host crashed first.
pub(super) struct Op<T>(Rc<RefCell<Slot<T>>>);

pub(super) struct Completer<T>(Rc<RefCell<Slot<T>>>);

pub(super) fn op<T>() -> (Completer<T>, Op<T>) {
    let slot = Rc::new(RefCell::new(Slot { value: None, waker: None }));
    (Completer(slot.clone()), Op(slot))
}

impl<T> Completer<T> {
    /// Nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        Rc::strong_count(&self.0) == 1
    }

    pub(super) fn complete(self, value: T) {
        let waker = {
            let mut slot = self.0.borrow_mut();
            slot.value = Some(value);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Op<T> {
    type Output = T;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut slot = self.0.borrow_mut();
        match slot.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The wakers of tasks that wait for one and the same change.
#[derive(Default)]
pub(super) struct Waiting(Vec<Waker>);

impl Waiting {
    pub(super) fn add(&mut self, waker: &Waker) {
        if !self.0.iter().any(|waiting| waiting.will_wake(waker)) {
            self.0.push(waker.clone());
        }
    }

    pub(super) fn wake_all(&mut self) {
        for waker in self.0.drain(..) {
            waker.wake();
        }
    }
}
