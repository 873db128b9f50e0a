//! glommio tasks behind the door's own type.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::glommio as g;

/// Dropped: cancelled.
pub struct Task<T>(pub(super) Option<g::Task<T>>);

impl<T> Task<T> {
    pub fn detach(mut self) {
        if let Some(task) = self.0.take() {
            drop(task.detach());
        }
    }
}

impl<T> Future for Task<T> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(self.0.as_mut().expect("polled after detach")).poll(cx)
    }
}

pub fn should_yield() -> bool {
    g::executor().need_preempt()
}

pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    g::executor().spawn_blocking(work).await
}
