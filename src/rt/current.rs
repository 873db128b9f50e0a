//! Which runtime this thread is in. Set once by a real core's thread; by the simulator around
//! every poll.

use std::cell::RefCell;
use std::rc::Rc;

use super::{CoreStats, glommio, sim};

#[derive(Clone)]
pub(super) enum Current {
    Real(Rc<glommio::Core>),
    Sim(Rc<sim::Core>),
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// Enters a runtime (or leaves it, with `None`) and returns what was there before.
pub(super) fn enter(current: Option<Current>) -> Option<Current> {
    CURRENT.with(|cell| cell.replace(current))
}

/// Panics outside a core: that is a broken invariant of ours, not an input.
pub(super) fn with<T>(f: impl FnOnce(&Current) -> T) -> T {
    CURRENT.with(|cell| f(cell.borrow().as_ref().expect("not on a data core")))
}

/// The simulated core, if this is one; `None` also outside any core.
pub(super) fn simulated() -> Option<Rc<sim::Core>> {
    CURRENT.with(|cell| match cell.borrow().as_ref() {
        Some(Current::Sim(core)) => Some(core.clone()),
        _ => None,
    })
}

/// Also false outside any core.
pub(super) fn in_simulator() -> bool {
    simulated().is_some()
}

pub fn core_stats() -> CoreStats {
    with(|current| match current {
        Current::Real(core) => core.stats(),
        Current::Sim(_) => CoreStats::default(),
    })
}
