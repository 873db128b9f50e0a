//! The tasks of all cores, which of them may run, and the handle of one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use super::core::Core;
use super::dice::Dice;
use super::op::{Op, op};
use super::options::TaskOrder;

pub(super) type TaskId = u64;
pub(super) type Body = Pin<Box<dyn Future<Output = ()>>>;

/// What a waker rings. Wakers must be able to cross threads, hence the lock; ours never do.
struct Bell {
    id: TaskId,
    queued: AtomicBool,
    ready: Arc<Mutex<Vec<TaskId>>>,
}

fn lock(ready: &Mutex<Vec<TaskId>>) -> MutexGuard<'_, Vec<TaskId>> {
    ready.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            lock(&self.ready).push(self.id);
        }
    }
}

struct Entry {
    core: Rc<Core>,
    bell: Arc<Bell>,
    /// Away while it is being polled.
    body: Option<Body>,
}

#[derive(Default)]
pub(super) struct Tasks {
    entries: RefCell<BTreeMap<TaskId, Entry>>,
    ready: Arc<Mutex<Vec<TaskId>>>,
    next: Cell<TaskId>,
    /// Cancelled and not yet dropped: a body is dropped by the executor, never by its canceller.
    cancelled: RefCell<Vec<(Rc<Core>, Body)>>,
}

impl Tasks {
    /// A task's number and waker, runnable at once.
    fn bell(&self) -> Arc<Bell> {
        let id = self.next.replace(self.next.get() + 1);
        let bell = Arc::new(Bell { id, queued: AtomicBool::new(false), ready: self.ready.clone() });
        bell.wake_by_ref();
        bell
    }

    /// For a future that the caller polls by itself.
    pub(super) fn reserve(&self) -> (TaskId, MainBell) {
        let bell = self.bell();
        (bell.id, MainBell(bell))
    }

    pub(super) fn insert(&self, core: Rc<Core>, body: Body) -> TaskId {
        let bell = self.bell();
        let id = bell.id;
        self.entries.borrow_mut().insert(id, Entry { core, bell, body: Some(body) });
        id
    }

    /// The next task to run, by lot.
    pub(super) fn choose(&self, dice: &Dice, order: TaskOrder) -> Option<TaskId> {
        let mut ready = lock(&self.ready);
        if ready.is_empty() {
            return None;
        }
        let mut index = dice.index(ready.len());
        if order == TaskOrder::Any {
            return Some(ready.swap_remove(index));
        }
        let entries = self.entries.borrow();
        let core_of = |id: TaskId| entries.get(&id).map(|entry| entry.core.id());
        let core = core_of(ready[index]);
        index = (0..index).find(|&i| core_of(ready[i]) == core).unwrap_or(index);
        Some(ready.remove(index))
    }

    /// Makes any task runnable, whatever it waits for.
    pub(super) fn wake_any(&self, dice: &Dice) {
        let entries = self.entries.borrow();
        if !entries.is_empty()
            && let Some(entry) = entries.values().nth(dice.index(entries.len()))
        {
            entry.bell.wake_by_ref();
        }
    }

    /// Takes a task's body out to poll it.
    pub(super) fn take(&self, id: TaskId) -> Option<(Rc<Core>, Waker, Body)> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.get_mut(&id)?;
        entry.bell.queued.store(false, Ordering::Relaxed);
        let body = entry.body.take()?;
        Some((entry.core.clone(), Waker::from(entry.bell.clone()), body))
    }

    /// Puts it back; gives it back when the task was cancelled meanwhile.
    pub(super) fn put_back(&self, id: TaskId, body: Body) -> Option<Body> {
        match self.entries.borrow_mut().get_mut(&id) {
            Some(entry) => {
                entry.body = Some(body);
                None
            }
            None => Some(body),
        }
    }

    pub(super) fn finish(&self, id: TaskId) {
        let entry = self.entries.borrow_mut().remove(&id);
        drop(entry);
    }

    fn cancel(&self, id: TaskId) {
        let entry = self.entries.borrow_mut().remove(&id);
        if let Some(Entry { core, body: Some(body), .. }) = entry {
            self.cancelled.borrow_mut().push((core, body));
        }
    }

    /// Cancels every task whose core satisfies `which`.
    pub(super) fn cancel_where(&self, which: impl Fn(&Core) -> bool) {
        let ids: Vec<TaskId> = self
            .entries
            .borrow()
            .iter()
            .filter(|(_, entry)| which(&entry.core))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.cancel(id);
        }
    }

    /// Drops what was cancelled, each body on its core; what that cancels in turn follows.
    pub(super) fn bury(&self) {
        loop {
            let next = self.cancelled.borrow_mut().pop();
            let Some((core, body)) = next else { break };
            let _entered = core.enter();
            drop(body);
        }
    }

    pub(super) fn count_where(&self, which: impl Fn(&Core) -> bool) -> usize {
        self.entries.borrow().values().filter(|entry| which(&entry.core)).count()
    }
}

/// The bell of a future that lives outside the table.
pub(super) struct MainBell(Arc<Bell>);

impl MainBell {
    pub(super) fn waker(&self) -> Waker {
        Waker::from(self.0.clone())
    }

    pub(super) fn lower(&self) {
        self.0.queued.store(false, Ordering::Relaxed);
    }
}

/// A running task; see `rt::Task`.
pub struct Task<T> {
    result: Op<T>,
    /// Whom to tell that the task is to end, unless it is detached.
    owner: Option<(Rc<Core>, TaskId)>,
}

impl<T: 'static> Task<T> {
    pub(super) fn spawn(core: &Rc<Core>, future: impl Future<Output = T> + 'static) -> Task<T> {
        let (completer, result) = op();
        if !core.is_alive() {
            return Task { result, owner: None };
        }
        let body: Body = Box::pin(async move { completer.complete(future.await) });
        let id = core.world().tasks.insert(core.clone(), body);
        Task { result, owner: Some((core.clone(), id)) }
    }
}

impl<T> Task<T> {
    pub fn detach(mut self) {
        self.owner = None;
    }
}

impl<T> Future for Task<T> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.result).poll(cx)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some((core, id)) = self.owner.take() {
            core.world().tasks.cancel(id);
        }
    }
}
