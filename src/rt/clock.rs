//! Time as the runtime tells it: monotonic for waiting, Unix milliseconds for records.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::current::{Current, with};
use super::{glommio, sim};
use crate::base::time::Instant;

/// The monotonic clock of this core.
pub fn now() -> Instant {
    with(|current| match current {
        Current::Real(_) => glommio::clock::now(),
        Current::Sim(core) => core.now(),
    })
}

/// Milliseconds since 1970 by the wall clock, which may jump.
pub fn unix_ms() -> i64 {
    with(|current| match current {
        Current::Real(_) => glommio::clock::unix_ms(),
        Current::Sim(core) => core.unix_ms(),
    })
}

pub async fn sleep(duration: Duration) {
    let sleep = with(|current| match current {
        Current::Real(core) => Sleep::Real(core.sleep(duration)),
        Current::Sim(core) => Sleep::Sim(core.sleep(duration)),
    });
    match sleep {
        Sleep::Real(timer) => timer.await,
        Sleep::Sim(timer) => timer.await,
    }
}

enum Sleep {
    Real(glommio::clock::Sleep),
    Sim(sim::Sleep),
}

/// Runs `future` for at most `duration`; `None` when time ran out (the future is then dropped).
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut timer = pin!(sleep(duration));
    poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(value));
        }
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await
}
