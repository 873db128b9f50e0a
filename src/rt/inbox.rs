//! A bounded queue from any thread into one core: how signals and the control thread reach it.
//! Not for the data path.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

use super::bell::Bell;
use super::current::{Current, with};

struct Shared<T> {
    queue: Mutex<VecDeque<T>>,
    bound: usize,
    bell: Arc<Bell>,
    /// Who waits in the simulator, where nobody hears the bell.
    waiting: Mutex<Option<Waker>>,
}

/// What a thread that panicked left is as good as any.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
    let bell = Arc::new(Bell::new()?);
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
        self.0.bell.ring();
        if let Some(waker) = lock(&self.0.waiting).take() {
            waker.wake();
        }
        Ok(())
    }
}

impl<T: Send + 'static> Inbox<T> {
    /// The next item. Only one task may wait.
    pub async fn receive(&self) -> T {
        let ear = with(|current| match current {
            Current::Real(core) => Some(core.ear(&self.0.bell)),
            Current::Sim(_) => None,
        });
        let shared = self.0.clone();
        let ready: super::glommio::Ready = Rc::new(move || !lock(&shared.queue).is_empty());
        poll_fn(|cx| {
            if let Some(item) = lock(&self.0.queue).pop_front() {
                return Poll::Ready(item);
            }
            match &ear {
                Some(ear) => ear.wait(&ready, cx.waker()),
                None => *lock(&self.0.waiting) = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }
}
