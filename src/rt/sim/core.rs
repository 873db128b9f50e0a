//! A virtual core: what `rt` talks to while one of its tasks runs.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::super::current::{Current, enter};
use super::super::file::{Entry, OpenOptions};
use super::clock::Sleep;
use super::disk::file::File;
use super::host::{Host, HostId};
use super::net::listener::Listener;
use super::net::stream::Stream;
use super::op::Waiting;
use super::task::Task;
use super::world::World;
use crate::base::time::Instant;

/// The cores that were started together: they live and die as one process does.
pub(super) struct Process {
    pub(super) host: HostId,
    pub(super) alive: Cell<bool>,
    /// Main futures that have not returned; 0 for a process that never ends by itself.
    pub(super) mains: Cell<usize>,
    pub(super) ended: RefCell<Waiting>,
}

pub struct Core {
    world: Rc<World>,
    host: Rc<Host>,
    process: Rc<Process>,
    id: u64,
}

/// While it lives, `rt` answers for one core.
pub(super) struct Entered(Option<Current>);

impl Drop for Entered {
    fn drop(&mut self) {
        enter(self.0.take());
    }
}

impl Core {
    pub(super) fn new(world: Rc<World>, host: Rc<Host>, process: Rc<Process>) -> Rc<Core> {
        let id = world.next_id();
        Rc::new(Core { world, host, process, id })
    }

    pub(super) fn enter(self: &Rc<Core>) -> Entered {
        Entered(enter(Some(Current::Sim(self.clone()))))
    }

    pub(super) fn world(&self) -> &Rc<World> {
        &self.world
    }

    pub(super) fn host(&self) -> &Rc<Host> {
        &self.host
    }

    pub(super) fn process(&self) -> &Rc<Process> {
        &self.process
    }

    /// Unique in its simulation.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// False once its process has crashed or ended.
    pub(super) fn is_alive(&self) -> bool {
        self.process.alive.get()
    }

    /// A line for the operator, who reads it when the simulation talks.
    pub fn say(&self, message: std::fmt::Arguments<'_>) {
        self.world.trace.say(self.world.now(), &self.host.name, message);
    }

    pub fn now(&self) -> Instant {
        Instant::from_nanos(self.world.now())
    }

    pub fn unix_ms(&self) -> i64 {
        self.host.unix_ms(self.world.now())
    }

    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::until(self.world.clone(), (self.now() + duration).as_nanos())
    }

    pub fn spawn<T: 'static>(
        self: &Rc<Core>,
        future: impl Future<Output = T> + 'static,
    ) -> Task<T> {
        Task::spawn(self, future)
    }

    /// Says yes now and then, whether or not others wait.
    pub fn should_yield(&self) -> bool {
        self.world.dice.below(4) == 0
    }

    pub async fn open(self: &Rc<Core>, path: &Path, options: OpenOptions) -> io::Result<File> {
        File::open(self, path, options).await
    }

    pub fn listen(self: &Rc<Core>, address: SocketAddr, shared: bool) -> io::Result<Listener> {
        Listener::bind(self, address, shared)
    }

    pub async fn connect(self: &Rc<Core>, address: SocketAddr) -> io::Result<Stream> {
        Stream::connect(self, address).await
    }

    pub async fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.host.disk.create_dir_all(self, path).await
    }

    pub async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.host.disk.rename(self, from, to).await
    }

    pub async fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.host.disk.remove_file(self, path).await
    }

    pub async fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.host.disk.remove_dir_all(self, path).await
    }

    pub async fn list_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.host.disk.list_dir(self, path).await
    }

    pub async fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.host.disk.sync_dir(self, path).await
    }

    pub async fn read_whole(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.host.disk.read_whole(self, path).await
    }

    pub async fn exists(&self, path: &Path) -> io::Result<bool> {
        self.host.disk.exists(self, path).await
    }

    pub async fn disk_space(&self, path: &Path) -> io::Result<(u64, u64)> {
        self.host.disk.disk_space(self, path).await
    }
}
