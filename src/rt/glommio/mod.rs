//! The real side of the door: one pinned glommio executor a core, and its side ring.
//!
//! glommio gives tasks, shares, timers, sleeping and the queues between cores; files and sockets
//! go through the side ring. One weakness of the runtime is defended against here: its loop may
//! park while tasks are runnable (when a preemption event arrives between its poll and its first
//! task). A pulse bounds that: every few milliseconds while the core has something to do, every
//! quarter of a second otherwise. The pulse can go when the runtime checks its queues before it parks.

pub mod clock;
mod cold;
pub mod file;
pub mod mesh;
mod pipe;
mod rouse;
mod splice;
pub mod task;
pub mod tcp;

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ::glommio as g;
use g::io::PollableFd;

use super::CoreStats;
use super::current::{self, Current};
use super::ring::{Ring, Writes};
use rouse::Beating;

/// Longest sleep of a core that did something a moment ago, or has device work under way.
const PULSE_ACTIVE: Duration = Duration::from_millis(4);
/// A task queue's turn, glommio's own default.
const PREEMPT: Duration = Duration::from_millis(100);
/// Longest sleep of an idle core.
const PULSE_IDLE: Duration = Duration::from_millis(250);

/// What belongs to one core of the real runtime.
pub struct Core {
    pub(super) ring: Rc<Ring>,
    background: g::TaskQueueHandle,
    pub(super) pipes: pipe::Pipes,
    pub(super) catch_up: Rc<cold::CatchUp>,
}

impl Core {
    pub(super) fn stats(&self) -> CoreStats {
        self.ring.stats()
    }

    pub(super) fn spawn<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> task::Task<T> {
        task::Task(Some(g::spawn_local(future)))
    }

    pub(super) fn spawn_background<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> task::Task<T> {
        let task = g::spawn_local_into(future, self.background);
        task::Task(Some(task.expect("the background queue lives as long as the core")))
    }
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
    /// False leaves the runtime's sleeping weakness undefended (only its own stress test).
    pub pulse: bool,
    /// How long a task queue runs before others get their turn. Very short ones provoke the
    /// weakness (only its own stress test).
    pub preempt: Duration,
}

impl Layout {
    /// One core on each of these processors.
    pub fn pinned(cpus: Vec<usize>) -> Layout {
        Layout { cpus, worker_cpus: Vec::new(), pin: true, pulse: true, preempt: PREEMPT }
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
    Ring::new(&[], Writes::default()).map(drop)
}

/// Running cores; `join` waits for all of them.
pub struct Cores<T>(Vec<(JoinHandle<io::Result<T>>, Beating)>);

impl<T> Cores<T> {
    /// Every core's result, in the order of `Layout::cpus`.
    pub fn join(self) -> Vec<io::Result<T>> {
        self.0
            .into_iter()
            .map(|(thread, _)| match thread.join() {
                Ok(result) => result,
                Err(_) => Err(io::Error::other("a core's thread panicked")),
            })
            .collect()
    }
}

/// Starts one thread a core, each running `main(core)` to its end; returns when all have begun.
pub fn run_cores<T, F, Fut>(layout: &Layout, main: F) -> io::Result<Cores<T>>
where
    T: Send + 'static,
    F: Fn(usize) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = T> + 'static,
{
    rouse::prepare()?;
    let mut cores = Vec::new();
    let writes = Writes::default();
    for (core, &cpu) in layout.cpus.iter().enumerate() {
        let placement = if layout.pin { g::Placement::Fixed(cpu) } else { g::Placement::Unbound };
        let builder = g::LocalExecutorBuilder::new(placement)
            .io_memory(IO_MEMORY_BYTES)
            .ring_depth(64)
            .preempt_timer(layout.preempt);
        let (worker_cpus, pulse) = (layout.worker_cpus.clone(), layout.pulse);
        let (main, beating) = (main.clone(), Beating::default());
        let (begun, writes) = (beating.clone(), writes.clone());
        let thread = thread::Builder::new().name(format!("data-{core}")).spawn(move || {
            let executor = builder.make().map_err(io::Error::other)?;
            let ran = executor
                .run(async move { run_core(worker_cpus, writes, pulse, begun, main(core)).await });
            // Not before: tasks that were ready when the main one ended still take their turn.
            current::enter(None);
            ran
        })?;
        cores.push((thread, beating));
    }
    rouse::rouse(&cores);
    Ok(Cores(cores))
}

async fn run_core<T>(
    worker_cpus: Vec<usize>,
    writes: Writes,
    pulse: bool,
    begun: Beating,
    main: impl Future<Output = T>,
) -> io::Result<T> {
    let ring = Ring::new(&worker_cpus, writes.clone())?;
    let background = g::executor().create_task_queue(
        g::Shares::Static(50),
        g::Latency::NotImportant,
        "background",
    );
    let catch_up = Rc::new(cold::CatchUp::new(writes));
    let pipes = pipe::Pipes::default();
    let core = Rc::new(Core { ring: ring.clone(), background, pipes, catch_up });
    current::enter(Some(Current::Real(core.clone())));
    let services = [
        Some(g::spawn_local(submit(ring.clone()))),
        Some(g::spawn_local(listen(ring.clone()))),
        pulse.then(|| g::spawn_local(beat(ring.clone(), begun.clone()))),
    ];
    if !pulse {
        begun.begin();
    }
    let result = main.await;
    drop(services);
    Ok(result)
}

/// Gives the kernel what the tasks of this round asked for.
async fn submit(ring: Rc<Ring>) {
    loop {
        ring.work.wait().await;
        ring.turn();
    }
}

/// Wakes with the bell and reaps.
async fn listen(ring: Rc<Ring>) {
    let bell = PollableFd::new(Bell(ring.clone())).expect("on an executor");
    loop {
        if bell.readable().await.is_err() {
            return;
        }
        ring_bell_off(&ring.bell);
        ring.turn();
    }
}

/// The pulse: see the head of this file.
async fn beat(ring: Rc<Ring>, begun: Beating) {
    let mut busy = false;
    begun.begin();
    loop {
        let period = if busy || ring.is_active() { PULSE_ACTIVE } else { PULSE_IDLE };
        let before = ring.turns();
        g::timer::Timer::new(period).await;
        busy = ring.turns() != before;
        if ring.turn() && !busy {
            ring.count(|stats| stats.stalls += 1);
        }
    }
}

struct Bell(Rc<Ring>);

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.0.bell.as_raw_fd()
    }
}

fn ring_bell_off(bell: &impl AsFd) {
    // EAGAIN: somebody read it already; the next poll says so.
    let _ = rustix::io::read(bell, &mut [0u8; 8]);
}

/// Waits until an eventfd is rung by another thread, and clears it.
pub(super) async fn await_bell(bell: &OwnedFd) {
    struct Borrowed(RawFd);
    impl AsRawFd for Borrowed {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }
    let pollable = PollableFd::new(Borrowed(bell.as_raw_fd())).expect("on an executor");
    if pollable.readable().await.is_ok() {
        ring_bell_off(bell);
    }
}
