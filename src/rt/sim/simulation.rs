//! What a test holds: hosts, processes on them, crashes, faults, and the loop that runs it all.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::super::Task;
use super::core::Core;
use super::dice::Dice;
use super::disk::Disk;
use super::host::{Host, HostId};
use super::options::SimOptions;
use super::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashKind {
    /// kill -9: what completed stays, what was under way happened wholly, partly or not.
    ProcessKill,
    /// The disk also loses what was not synced: any part of it.
    PowerLoss,
}

/// One simulated world. Dropping it ends everything in it.
pub struct Sim {
    world: Rc<World>,
    /// Where the future given to [`Sim::run`] lives; never crashes.
    lab: Rc<Core>,
}

impl Sim {
    pub fn new(seed: u64) -> Sim {
        Sim::with_options(seed, SimOptions::default())
    }

    pub fn with_options(seed: u64, options: SimOptions) -> Sim {
        let world = Rc::new(World::new(seed, options));
        let lab = make_host(&world, "lab");
        let process = world.new_process(lab.id, 0);
        let lab = Core::new(world.clone(), lab, process);
        Sim { world, lab }
    }

    pub fn seed(&self) -> u64 {
        self.world.seed
    }

    /// A machine that is switched on and runs nothing yet.
    pub fn add_host(&self, name: &str) -> HostId {
        make_host(&self.world, name).id
    }

    pub fn address(&self, host: HostId) -> IpAddr {
        self.world.host(host).address()
    }

    /// The disk of a host: its faults, and what is on it.
    pub fn disk(&self, host: HostId) -> Rc<Disk> {
        self.world.host(host).disk.clone()
    }

    /// The disk of the host on which [`Sim::run`]'s own future lives.
    pub fn lab_disk(&self) -> Rc<Disk> {
        self.lab.host().disk.clone()
    }

    /// Starts a process of `cores` cores, each of which runs the future that `main` makes for its
    /// index. When all of them have returned, the process ends as a real one does: its other
    /// tasks are dropped, its connections closed.
    pub fn start<F>(&self, host: HostId, cores: usize, mut main: impl FnMut(usize) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        assert!(cores > 0, "a process has at least one core");
        let host = self.world.host(host);
        host.powered.set(true);
        let process = self.world.new_process(host.id, cores);
        for index in 0..cores {
            let core = Core::new(self.world.clone(), host.clone(), process.clone());
            let entered = core.enter();
            let future = main(index);
            drop(entered);
            self.world.note("start", core.id(), index as u64);
            let world = self.world.clone();
            let process = process.clone();
            core.spawn(async move {
                future.await;
                process.mains.set(process.mains.get() - 1);
                if process.mains.get() == 0 {
                    world.end_process(&process);
                }
            })
            .detach();
        }
    }

    /// Runs a task on a host, beside what was started there; a crash of the host ends it too.
    pub fn spawn<T: 'static>(
        &self,
        host: HostId,
        future: impl Future<Output = T> + 'static,
    ) -> Task<T> {
        let host = self.world.host(host);
        let core = {
            let mut shell = host.shell.borrow_mut();
            match shell.take().filter(|core| core.is_alive()) {
                Some(core) => shell.insert(core).clone(),
                None => {
                    let process = self.world.new_process(host.id, 0);
                    shell.insert(Core::new(self.world.clone(), host.clone(), process)).clone()
                }
            }
        };
        host.powered.set(true);
        let _entered = core.enter();
        super::super::spawn(future)
    }

    /// Waits until every process started on a host has ended, by itself or by a crash.
    pub async fn ended(&self, host: HostId) {
        poll_fn(|cx| match self.world.running_on(host) {
            None => Poll::Ready(()),
            Some(process) => {
                process.ended.borrow_mut().add(cx.waker());
                Poll::Pending
            }
        })
        .await
    }

    /// Ends all tasks of a host at once, wherever they are.
    pub fn crash(&self, host: HostId, kind: CrashKind) {
        let host = self.world.host(host);
        assert!(host.id != self.lab.host().id, "the lab does not crash");
        let power_loss = kind == CrashKind::PowerLoss;
        self.world.note("crash", host.id.0 as u64, u64::from(power_loss));
        self.world.trace.say(self.world.now(), &host.name, format_args!("{kind:?}"));
        let dead = self.world.take_processes(|process| process.host == host.id);
        for process in &dead {
            process.alive.set(false);
        }
        host.shell.borrow_mut().take();
        self.world.network.crash(&self.world, host.id, power_loss);
        self.world.tasks.cancel_where(|core| core.host().id == host.id);
        self.world.tasks.bury();
        host.disk.interrupt();
        if power_loss {
            host.powered.set(false);
            host.disk.lose_power();
        }
        for process in &dead {
            process.ended.borrow_mut().wake_all();
        }
    }

    /// Stops all traffic between two hosts; connections stay and go on after [`Sim::heal`].
    pub fn partition(&self, a: HostId, b: HostId) {
        self.world.note("partition", a.0 as u64, b.0 as u64);
        self.world.network.partition(a, b);
    }

    pub fn heal(&self, a: HostId, b: HostId) {
        self.world.note("heal", a.0 as u64, b.0 as u64);
        self.world.network.heal(&self.world, a, b);
    }

    /// Makes a host's wall clock differ from virtual time by this much from now on.
    pub fn set_clock_offset(&self, host: HostId, offset_ms: i64) {
        self.world.host(host).clock_offset_ms.set(offset_ms);
    }

    /// Drives everything until `future`, which lives on a core of its own, is done.
    ///
    /// # Panics
    /// When nothing can ever run again, and after [`SimOptions::steps_max`] steps.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let _note = SeedNote(&self.world);
        let world = &self.world;
        let mut future = pin!(future);
        let (main, bell) = world.tasks.reserve();
        let waker = bell.waker();
        loop {
            world.fire_due();
            if world.dice.ppm(world.options.idle_polls_ppm) {
                world.tasks.wake_any(&world.dice);
            }
            match world.tasks.choose(&world.dice, world.options.task_order) {
                Some(id) if id == main => {
                    bell.lower();
                    world.count_step(id);
                    let polled = {
                        let _entered = self.lab.enter();
                        future.as_mut().poll(&mut Context::from_waker(&waker))
                    };
                    world.tasks.bury();
                    if let Poll::Ready(output) = polled {
                        return output;
                    }
                }
                Some(id) => world.poll_task(id),
                None if world.jump() => {}
                None => panic!("seed {}: deadlock: {}", world.seed, self.describe_waiting()),
            }
        }
    }

    fn describe_waiting(&self) -> String {
        let counts: Vec<String> = self
            .world
            .hosts
            .borrow()
            .iter()
            .map(|host| {
                let count = self.world.tasks.count_where(|core| core.host().id == host.id);
                format!("{count} tasks on {}", host.name)
            })
            .collect();
        format!("all wait for ever ({}, and the main future)", counts.join(", "))
    }

    /// A hash of all that happened so far.
    pub fn trace_hash(&self) -> u64 {
        self.world.trace.hash()
    }

    /// Polls so far.
    pub fn steps(&self) -> u64 {
        self.world.steps()
    }

    /// Virtual time since the beginning.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.world.now() - 1_000_000_000)
    }

    /// A number from this simulation's own stream, below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.world.dice.below(bound)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        for host in self.world.hosts.borrow().iter() {
            host.disk.halt();
            host.shell.borrow_mut().take();
        }
        for process in self.world.take_processes(|_| true) {
            process.alive.set(false);
        }
        self.world.tasks.cancel_where(|_| true);
        self.world.tasks.bury();
        self.world.agenda.clear();
        self.world.network.clear();
        self.world.hosts.borrow_mut().clear();
    }
}

fn make_host(world: &World, name: &str) -> Rc<Host> {
    let mut hosts = world.hosts.borrow_mut();
    let id = HostId(hosts.len());
    let dice = Dice::new(world.seed, 16 + id.0 as u64);
    let disk = Disk::new(dice, world.options.disk.clone());
    hosts.push(Rc::new(Host::new(id, name, disk)));
    hosts[id.0].clone()
}

/// Says which seed it was when a simulation panics.
struct SeedNote<'a>(&'a World);

impl Drop for SeedNote<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let World { seed, .. } = self.0;
            let seconds = self.0.now() as f64 / 1e9;
            eprintln!("simulation failed: seed {seed}, step {}, {seconds} s", self.0.steps());
        }
    }
}
