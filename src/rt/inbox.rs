//! A bounded queue from any thread into one core: how signals and the control thread reach it.
//! Not for the data path.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

use rustix::event::{EventfdFlags, eventfd};

use super::current::in_simulator;
use super::glommio;

struct Shared<T> {
    queue: Mutex<VecDeque<T>>,
    bound: usize,
    bell: OwnedFd,
    /// Who waits in the simulator, where nobody hears the bell.
    waiting: Mutex<Option<Waker>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

pub struct InboxSender<T>(Arc<Shared<T>>);

impl<T> Clone for InboxSender<T> {
    fn clone(&self) -> Self {
        InboxSender(self.0.clone())
    }
}

/// The receiving end, not yet bound to a core.
pub struct Inbox<T>(Arc<Shared<T>>);

pub fn inbox<T: Send>(bound: usize) -> io::Result<(InboxSender<T>, Inbox<T>)> {
    let bell = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
    let shared =
        Arc::new(Shared { queue: Mutex::default(), bound, bell, waiting: Mutex::default() });
    Ok((InboxSender(shared.clone()), Inbox(shared)))
}

impl<T: Send> InboxSender<T> {
    /// Gives the item back when the queue is full.
    pub fn try_send(&self, item: T) -> Result<(), T> {
        {
            let mut queue = lock(&self.0.queue);
            if queue.len() >= self.0.bound {
                return Err(item);
            }
            queue.push_back(item);
        }
        // A full counter (EAGAIN) also wakes the reader: nothing to report.
        let _ = rustix::io::write(&self.0.bell, &1u64.to_ne_bytes());
        if let Some(waker) = lock(&self.0.waiting).take() {
            waker.wake();
        }
        Ok(())
    }
}

impl<T: Send> Inbox<T> {
    fn pop(&self) -> Option<T> {
        lock(&self.0.queue).pop_front()
    }

    /// The next item. Only one task may wait.
    pub async fn receive(&self) -> T {
        loop {
            if let Some(item) = self.pop() {
                return item;
            }
            if in_simulator() {
                poll_fn(|cx| {
                    if !lock(&self.0.queue).is_empty() {
                        return Poll::Ready(());
                    }
                    *lock(&self.0.waiting) = Some(cx.waker().clone());
                    Poll::Pending
                })
                .await;
            } else {
                glommio::await_bell(&self.0.bell).await;
            }
        }
    }
}
