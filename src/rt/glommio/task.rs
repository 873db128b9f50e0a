//! glommio tasks behind the door's own type. Every task of a core counts its turns, by which the
//! core's cycle sees that all have come to rest; one in the background also waits while others work.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ::glommio as g;
use pin_project_lite::pin_project;

use super::clock::now;
use crate::base::planted;
use crate::base::time::Instant;

/// Dropped: cancelled.
pub struct Task<T>(Option<g::Task<T>>);

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

/// For one part of the time of a core in the background, others have so many, if they want them.
const OTHERS_SHARE: u32 = 20;
/// After such a turn a task should let others come.
const TURN: Duration = Duration::from_millis(1);

/// Turns of a core's tasks.
#[derive(Default)]
pub(super) struct Turns {
    /// So far; a task that is dropped counts too, as it may wake others.
    count: Cell<u64>,
    /// When the last round of turns began.
    begun: Cell<Instant>,
    /// How often all others were at rest.
    rests: Cell<u64>,
    /// Tasks in the background that wait, and until when.
    patient: RefCell<Vec<(Instant, Waker)>>,
}

impl Turns {
    pub fn count(&self) -> u64 {
        self.count.get()
    }

    fn took(&self) {
        self.count.set(self.count.get() + 1);
    }

    /// A round of turns begins; whether somebody who waited in the background is woken.
    pub fn begin_round(&self, now: Instant) -> bool {
        self.begun.set(now);
        let mut patient = self.patient.borrow_mut();
        let before = patient.len();
        patient.retain(|(until, waker)| {
            let waits = now < *until;
            if !waits {
                waker.wake_by_ref();
            }
            waits
        });
        patient.len() < before
    }

    /// Nobody else works: the background may. Whether somebody waited for that.
    pub fn rest(&self) -> bool {
        self.rests.set(self.rests.get() + 1);
        let mut patient = self.patient.borrow_mut();
        let any = !patient.is_empty();
        patient.drain(..).for_each(|(_, waker)| waker.wake());
        any
    }

    /// Whether this round lasts for long.
    pub fn should_yield(&self) -> bool {
        now().since(self.begun.get()) >= TURN
    }

    pub fn spawn<T: 'static>(
        self: &Rc<Turns>,
        future: impl Future<Output = T> + 'static,
    ) -> Task<T> {
        Task(Some(g::spawn_local(self.counted(future))))
    }

    pub fn spawn_background<T: 'static>(
        self: &Rc<Turns>,
        future: impl Future<Output = T> + 'static,
    ) -> Task<T> {
        let (until, future) = (Instant::default(), self.counted(future));
        Task(Some(g::spawn_local(Background { until, rests: 0, turns: self.clone(), future })))
    }

    pub fn counted<F: Future>(self: &Rc<Turns>, future: F) -> Counted<F> {
        Counted { count: Count(self.clone()), future }
    }

    /// Puts off a task in the background; it asks again when it is woken.
    fn put_off(&self, until: Instant, waker: &Waker) {
        let mut patient = self.patient.borrow_mut();
        if !patient.iter().any(|(_, other)| other.will_wake(waker)) {
            patient.push((until, waker.clone()));
        }
    }
}

struct Count(Rc<Turns>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.took();
    }
}

pin_project! {
    /// A future whose turns count.
    pub(super) struct Counted<F> {
        count: Count,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.count.0.took();
        this.future.poll(cx)
    }
}

pin_project! {
    /// A future that takes its turn only after others had their share, or when they are at rest.
    struct Background<F> {
        until: Instant,
        rests: u64,
        turns: Rc<Turns>,
        #[pin]
        future: Counted<F>,
    }
}

impl<F: Future> Future for Background<F> {
    type Output = F::Output;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let (turns, begun) = (this.turns, now());
        let rested = *this.rests != turns.rests.get() || planted::is("no-share-for-others");
        if begun < *this.until && !rested {
            turns.put_off(*this.until, cx.waker());
            return Poll::Pending;
        }
        let polled = this.future.poll(cx);
        let ended = now();
        *this.until = ended + ended.since(begun) * OTHERS_SHARE;
        *this.rests = turns.rests.get();
        polled
    }
}
