//! A bounded queue from any thread into one core: how signals and the control thread reach it.
//! Not for the data path.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use rustix::event::{EventfdFlags, eventfd};

use super::current::{Current, with};
use super::{glommio, sim};

struct Shared<T> {
    queue: Mutex<VecDeque<T>>,
    bound: usize,
    bell: OwnedFd,
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
    let shared = Arc::new(Shared { queue: Mutex::default(), bound, bell });
    Ok((InboxSender(shared.clone()), Inbox(shared)))
}

impl<T: Send> InboxSender<T> {
    /// Gives the item back when the queue is full.
    pub fn try_send(&self, item: T) -> Result<(), T> {
        {
            let mut queue = self.0.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if queue.len() >= self.0.bound {
                return Err(item);
            }
            queue.push_back(item);
        }
        // A full counter (EAGAIN) also wakes the reader: nothing to report.
        let _ = rustix::io::write(&self.0.bell, &1u64.to_ne_bytes());
        Ok(())
    }
}

impl<T: Send> Inbox<T> {
    fn pop(&self) -> Option<T> {
        self.0.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop_front()
    }

    /// The next item. Only one task may wait.
    pub async fn receive(&self) -> T {
        loop {
            if let Some(item) = self.pop() {
                return item;
            }
            let real = with(|current| matches!(current, Current::Real(_)));
            if real {
                glommio::await_bell(&self.0.bell).await;
            } else {
                sim::idle_turn().await;
            }
        }
    }
}
