//! An operation under way, as a future.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Keep, Kind, Ring, State};

/// An operation under way. Yields the kernel's result and gives back what it kept.
pub(in crate::rt) struct Running {
    pub(super) ring: Rc<Ring>,
    pub(super) key: usize,
    pub(super) taken: bool,
}

impl Running {
    pub fn ring(&self) -> &Rc<Ring> {
        &self.ring
    }
}

impl Future for Running {
    type Output = (io::Result<u32>, Keep);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ring = self.ring.clone();
        let mut inner = ring.inner.borrow_mut();
        let op = inner.ops.get_mut(self.key).expect("polled before its end");
        let result = match &mut op.state {
            State::Done(result) => *result,
            State::Waiting(waker) => {
                match waker {
                    Some(waker) if waker.will_wake(cx.waker()) => {}
                    other => *other = Some(cx.waker().clone()),
                }
                return Poll::Pending;
            }
            State::Abandoned | State::Taken => unreachable!("polled after its end"),
        };
        self.taken = true;
        let result =
            if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result as u32) };
        if op.notification_due {
            op.state = State::Taken;
            return Poll::Ready((result, Keep::None));
        }
        Poll::Ready((result, ring.finish(&mut inner.ops, self.key)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut inner = self.ring.inner.borrow_mut();
        let op = inner.ops.get_mut(self.key).expect("dropped before its end");
        match op.state {
            State::Done(_) if op.notification_due => op.state = State::Taken,
            State::Done(_) => {
                self.ring.finish(&mut inner.ops, self.key);
            }
            State::Waiting(_) => {
                op.state = State::Abandoned;
                let kind = op.kind;
                drop(inner);
                // A device operation ends by itself; one that waits for a peer must be told.
                if kind == Kind::Passive {
                    self.ring.cancel(self.key);
                }
            }
            State::Abandoned | State::Taken => unreachable!("dropped twice"),
        }
    }
}
