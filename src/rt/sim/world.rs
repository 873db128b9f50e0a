//! What all cores of a simulation share, and its single step.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::agenda::{Agenda, Event, Key};
use super::core::Process;
use super::dice::Dice;
use super::host::{Host, HostId};
use super::net::Network;
use super::options::SimOptions;
use super::task::{TaskId, Tasks};
use super::trace::Trace;

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) options: SimOptions,
    pub(super) dice: Dice,
    pub(super) agenda: Agenda,
    pub(super) tasks: Tasks,
    pub(super) hosts: RefCell<Vec<Rc<Host>>>,
    processes: RefCell<Vec<Rc<Process>>>,
    pub(super) network: Network,
    pub(super) trace: Trace,
    now: Cell<u64>,
    steps: Cell<u64>,
    ids: Cell<u64>,
}

impl World {
    pub(super) fn new(seed: u64, options: SimOptions) -> World {
        World {
            seed,
            dice: Dice::new(seed, 1),
            agenda: Agenda::default(),
            tasks: Tasks::default(),
            hosts: RefCell::default(),
            processes: RefCell::default(),
            network: Network::new(Dice::new(seed, 2)),
            trace: Trace::new(options.talk),
            options,
            // Not zero: nobody may take the start of time for "never".
            now: Cell::new(1_000_000_000),
            steps: Cell::new(0),
            ids: Cell::new(0),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps.get()
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.replace(self.ids.get() + 1)
    }

    pub(super) fn host(&self, id: HostId) -> Rc<Host> {
        self.hosts.borrow()[id.0].clone()
    }

    /// `mains` is 0 for a process that never ends by itself.
    pub(super) fn new_process(&self, host: HostId, mains: usize) -> Rc<Process> {
        let process = Rc::new(Process {
            host,
            alive: Cell::new(true),
            mains: Cell::new(mains),
            ended: RefCell::default(),
        });
        self.processes.borrow_mut().push(process.clone());
        process
    }

    /// A process of this host that is to end some day.
    pub(super) fn running_on(&self, host: HostId) -> Option<Rc<Process>> {
        let processes = self.processes.borrow();
        processes.iter().find(|process| process.host == host && process.mains.get() > 0).cloned()
    }

    pub(super) fn take_processes(&self, which: impl Fn(&Process) -> bool) -> Vec<Rc<Process>> {
        self.processes.borrow_mut().extract_if(.., |process| which(process)).collect()
    }

    /// What a kernel does when a process returns from main.
    pub(super) fn end_process(&self, process: &Rc<Process>) {
        process.alive.set(false);
        self.tasks.cancel_where(|core| Rc::ptr_eq(core.process(), process));
        self.take_processes(|other| std::ptr::eq(other, Rc::as_ptr(process)));
        process.ended.borrow_mut().wake_all();
    }

    pub(super) fn note(&self, what: &'static str, a: u64, b: u64) {
        self.trace.note(self.now(), what, a, b);
    }

    /// Does something after `delay`.
    pub(super) fn later(&self, delay: Duration, act: impl FnOnce() + 'static) -> Key {
        let at = self.now().saturating_add(delay.as_nanos() as u64);
        self.agenda.add(at, Event::Act(Box::new(act)))
    }

    /// Does everything that is due by now.
    pub(super) fn fire_due(&self) {
        while let Some((key, event)) = self.agenda.take_due(self.now()) {
            self.note("event", key.0, key.1);
            match event {
                Event::Wake(waker) => waker.wake(),
                Event::Act(act) => act(),
            }
            self.tasks.bury();
        }
    }

    /// Jumps to the next event; false when there is none.
    pub(super) fn jump(&self) -> bool {
        let Some(at) = self.agenda.next_at() else { return false };
        self.now.set(self.now().max(at));
        true
    }

    /// Counts one poll and lets its time pass.
    pub(super) fn count_step(&self, id: TaskId) {
        self.note("poll", id, 0);
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        assert!(
            steps <= self.options.steps_max,
            "seed {}: more than {} steps: the simulation does not end",
            self.seed,
            self.options.steps_max
        );
        self.now.set(self.now() + self.dice.between(self.options.step_nanos.clone()));
    }

    /// Polls one task, if it still exists.
    pub(super) fn poll_task(&self, id: TaskId) {
        let Some((core, waker, mut body)) = self.tasks.take(id) else { return };
        self.count_step(id);
        let _entered = core.enter();
        match body.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => {
                self.tasks.finish(id);
                drop(body);
            }
            Poll::Pending => drop(self.tasks.put_back(id, body)),
        }
        self.tasks.bury();
    }
}
