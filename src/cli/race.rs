//! Waits for whichever of two things happens first.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

pub enum First<A, B> {
    Left(A),
    Right(B),
}

/// The other future is dropped. When both are ready the left one counts.
pub async fn race<A, B>(
    left: impl Future<Output = A>,
    right: impl Future<Output = B>,
) -> First<A, B> {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(|cx| {
        if let Poll::Ready(value) = left.as_mut().poll(cx) {
            return Poll::Ready(First::Left(value));
        }
        right.as_mut().poll(cx).map(First::Right)
    })
    .await
}
