//! The bells that a core listens to, and the tasks that wait for what they announce.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use super::super::bell::Bell;
use super::super::ring::{Keep, Ring};
use super::super::task::spawn;
use crate::base::buf::Buf;

/// Whether what a task waits for is there.
pub(in crate::rt) type Ready = Rc<dyn Fn() -> bool>;

/// One bell on its core.
pub(in crate::rt) struct Ear {
    bell: Arc<Bell>,
    waiting: RefCell<Vec<(Ready, Waker)>>,
}

impl Ear {
    /// Wakes the task when the bell has rung and it is ready. It is not asked before: who waits looked
    /// itself just now.
    pub fn wait(&self, ready: &Ready, waker: &Waker) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|(_, other)| other.will_wake(waker)) {
            waiting.push((ready.clone(), waker.clone()));
        }
    }

    /// Whether anybody was woken.
    fn listen(&self) -> bool {
        if !self.bell.answer() {
            return false;
        }
        let mut waiting = self.waiting.borrow_mut();
        let before = waiting.len();
        waiting.retain(|(ready, waker)| {
            let is_ready = ready();
            if is_ready {
                waker.wake_by_ref();
            }
            !is_ready
        });
        waiting.len() < before
    }
}

/// All of a core.
#[derive(Default)]
pub(in crate::rt) struct Ears(RefCell<Vec<Rc<Ear>>>);

impl Ears {
    /// Listens to a bell from now on; the same one may come again.
    pub fn to(&self, bell: &Arc<Bell>, ring: &Rc<Ring>) -> Rc<Ear> {
        let mut ears = self.0.borrow_mut();
        if let Some(ear) = ears.iter().find(|ear| Arc::ptr_eq(&ear.bell, bell)) {
            return ear.clone();
        }
        let ear = Rc::new(Ear { bell: bell.clone(), waiting: RefCell::default() });
        ears.push(ear.clone());
        spawn(hear(bell.clone(), ring.clone())).detach();
        ear
    }

    pub fn listen(&self) -> bool {
        self.0.borrow().iter().filter(|ear| ear.listen()).count() > 0
    }

    /// False: one of them rang, and the core must not sleep.
    pub fn fall_asleep(&self) -> bool {
        self.0.borrow().iter().all(|ear| ear.bell.fall_asleep())
    }

    pub fn wake_up(&self) {
        self.0.borrow().iter().for_each(|ear| ear.bell.wake_up());
    }
}

/// Reads a bell's wire whenever there is something: that ends the core's sleep as any completion does.
async fn hear(bell: Arc<Bell>, ring: Rc<Ring>) {
    let mut buf = Buf::with_capacity(8);
    loop {
        let (_, keep) = ring.hear(&bell, buf).await;
        let Keep::Bell { buf: back, .. } = keep else { unreachable!("it keeps its bell") };
        buf = back;
    }
}
