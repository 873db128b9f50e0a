//! The real side of the door: one pinned glommio executor a core, and its side ring.
//!
//! glommio gives the pinned executor and its tasks. Files, sockets, timers and the bells of other
//! threads belong to the side ring and the [`cycle`], a task that sleeps there when all others rest:
//! glommio's own way into and out of sleep takes nine system calls, this one takes one.
//!
//! Once the cycle runs, glommio's loop is not left before the core ends: it would look after its own
//! rings, on which nothing is, and has a weakness there. When its preemption timer fires between its
//! poll and its first task it parks though tasks are runnable, for ever if nothing of its own wakes
//! it. So that timer is set beyond the life of any process.

mod blocking;
pub mod clock;
mod cold;
mod cycle;
mod ear;
pub mod file;
pub mod mesh;
mod pipe;
mod splice;
pub mod task;
pub mod tcp;

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ::glommio as g;

use super::CoreStats;
use super::bell::Bell;
use super::current::{self, Current};
use super::ring::Ring;
use super::writing::Writing;
use blocking::Worker;
pub use blocking::blocking;
pub(super) use ear::Ready;

/// After so long glommio would look after its own rings: never.
const PREEMPT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What belongs to one core of the real runtime.
pub struct Core {
    pub(super) ring: Rc<Ring>,
    turns: Rc<task::Turns>,
    timers: Rc<clock::Timers>,
    ears: ear::Ears,
    worker: Worker,
    pub(super) pipes: pipe::Pipes,
    pub(super) catch_up: Rc<cold::CatchUp>,
}

impl Core {
    fn new(worker_cpus: &[usize], writing: Writing, worker: Worker) -> io::Result<Rc<Core>> {
        Ok(Rc::new(Core {
            ring: Ring::new(worker_cpus, writing.clone())?,
            turns: Rc::default(),
            timers: Rc::default(),
            ears: ear::Ears::default(),
            worker,
            pipes: pipe::Pipes::default(),
            catch_up: Rc::new(cold::CatchUp::new(writing)),
        }))
    }

    pub(super) fn stats(&self) -> CoreStats {
        self.ring.stats()
    }

    pub(super) fn spawn<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> task::Task<T> {
        self.turns.spawn(future)
    }

    pub(super) fn spawn_background<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> task::Task<T> {
        self.turns.spawn_background(future)
    }

    pub(super) fn should_yield(&self) -> bool {
        self.turns.should_yield()
    }

    pub(super) fn sleep(&self, duration: Duration) -> clock::Sleep {
        self.timers.sleep(duration)
    }

    /// Listens to a bell.
    pub(super) fn ear(&self, bell: &Arc<Bell>) -> Rc<ear::Ear> {
        self.ears.to(bell, &self.ring)
    }
}

/// This core.
fn core() -> Rc<Core> {
    current::with(|current| match current {
        Current::Real(core) => core.clone(),
        Current::Sim(_) => unreachable!("what belongs to a real core, in the simulator"),
    })
}

/// How the real cores are laid out.
#[derive(Clone, Debug)]
pub struct Layout {
    /// One data core for each entry: the processor it is pinned to.
    pub cpus: Vec<usize>,
    /// Processors for the kernel's workers (splice, open); empty: where the core runs.
    pub worker_cpus: Vec<usize>,
    /// False leaves threads where the scheduler puts them (tests).
    pub pin: bool,
}

impl Layout {
    /// One core on each of these processors.
    pub fn pinned(cpus: Vec<usize>) -> Layout {
        Layout { cpus, worker_cpus: Vec::new(), pin: true }
    }

    /// `count` cores that are not pinned.
    pub fn unpinned(count: usize) -> Layout {
        Layout { pin: false, ..Layout::pinned((0..count).collect()) }
    }
}

/// RLIMIT_MEMLOCK that the runtime insists on, whoever runs it, in bytes.
pub const LOCKED_BYTES_MIN: u64 = 512 << 10;
/// Memory of one core that the kernel counts as locked: the runtime's registered buffers.
pub const LOCKED_BYTES_PER_CORE: u64 = IO_MEMORY_BYTES as u64;
const IO_MEMORY_BYTES: usize = 64 << 10;

/// Tries whether a ring can be made on this host.
pub fn probe() -> io::Result<()> {
    Ring::new(&[], Writing::default()).map(drop)
}

/// Running cores; `join` waits for all of them.
pub struct Cores<T>(Vec<JoinHandle<io::Result<T>>>);

impl<T> Cores<T> {
    /// Every core's result, in the order of `Layout::cpus`.
    pub fn join(self) -> Vec<io::Result<T>> {
        self.0
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(result) => result,
                Err(_) => Err(io::Error::other("a core's thread panicked")),
            })
            .collect()
    }
}

/// Starts one thread a core, each running `main(core)` to its end.
pub fn run_cores<T, F, Fut>(layout: &Layout, main: F) -> io::Result<Cores<T>>
where
    T: Send + 'static,
    F: Fn(usize) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = T> + 'static,
{
    let mut cores = Vec::new();
    let writing = Writing::default();
    for (number, &cpu) in layout.cpus.iter().enumerate() {
        let placement = if layout.pin { g::Placement::Fixed(cpu) } else { g::Placement::Unbound };
        let builder = g::LocalExecutorBuilder::new(placement)
            .io_memory(IO_MEMORY_BYTES)
            .ring_depth(64)
            .preempt_timer(PREEMPT);
        // Made here: the core's own thread would pin it.
        let worker = Worker::new(number)?;
        let (worker_cpus, writing) = (layout.worker_cpus.clone(), writing.clone());
        let main = main.clone();
        let thread = thread::Builder::new().name(format!("data-{number}")).spawn(move || {
            let executor = builder.make().map_err(io::Error::other)?;
            let ran = executor.run(async move {
                let core = Core::new(&worker_cpus, writing, worker)?;
                run_core(core, || main(number)).await
            });
            // Not before: tasks that were ready when the main one ended still take their turn.
            current::enter(None);
            ran
        })?;
        cores.push(thread);
    }
    Ok(Cores(cores))
}

async fn run_core<T, Fut: Future<Output = T>>(
    core: Rc<Core>,
    main: impl FnOnce() -> Fut,
) -> io::Result<T> {
    current::enter(Some(Current::Real(core.clone())));
    let cycle = g::spawn_local(cycle::cycle(core.clone()));
    let result = core.turns.counted(main()).await;
    drop(cycle);
    Ok(result)
}
