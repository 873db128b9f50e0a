//! Tasks of this core.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::current::{Current, with};
use super::{glommio, sim};

/// A running task. Dropping it cancels the task at its next suspension; `detach` lets it run on.
#[must_use = "a dropped task is cancelled; detach it to let it run"]
pub struct Task<T>(Inner<T>);

enum Inner<T> {
    Real(glommio::task::Task<T>),
    Sim(sim::Task<T>),
}

impl<T> Task<T> {
    pub fn detach(self) {
        match self.0 {
            Inner::Real(task) => task.detach(),
            Inner::Sim(task) => task.detach(),
        }
    }
}

impl<T> Future for Task<T> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            Inner::Real(task) => Pin::new(task).poll(cx),
            Inner::Sim(task) => Pin::new(task).poll(cx),
        }
    }
}

/// Runs a future on this core with the share of the data path.
pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    Task(with(|current| match current {
        Current::Real(core) => Inner::Real(core.spawn(future)),
        Current::Sim(core) => Inner::Sim(core.spawn(future)),
    }))
}

/// Runs a future on this core with a small share: retention, cleaning, index writing.
pub fn spawn_background<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    Task(with(|current| match current {
        Current::Real(core) => Inner::Real(core.spawn_background(future)),
        Current::Sim(core) => Inner::Sim(core.spawn(future)),
    }))
}

/// Runs a function that may block (a rare system call) beside the core, and waits for it.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    if with(|current| matches!(current, Current::Real(_))) {
        glommio::blocking(work).await
    } else {
        work()
    }
}

/// True when this task had its turn and others wait.
pub fn should_yield() -> bool {
    with(|current| match current {
        Current::Real(core) => core.should_yield(),
        Current::Sim(core) => core.should_yield(),
    })
}

/// Lets every other runnable task of this core run once.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
