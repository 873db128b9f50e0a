//! A core to run on, directories to write to, batches to write.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ringmain::log::checkpoint::Entry;
use ringmain::log::{Budget, Error, Limits, Log, LogSettings, ReadPlan};
use ringmain::model::TopicId;
use ringmain::rt::glommio::{Layout, run_cores};
use ringmain::rt::sim::disk::Disk;
use ringmain::rt::sim::{HostId, Sim};
use ringmain::rt::{self, Piece};
use ringmain::wire::batch::Batches;
use ringmain::wire::record::{BatchBuilder, BatchFields};

pub const TOPIC: TopicId = TopicId([9; 16]);
pub const NOW: i64 = 1_700_000_000_000;

/// Runs a future on one real core and panics where it panicked.
pub fn on_core<F>(main: impl Fn() -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + 'static,
{
    let cores = run_cores(&Layout::unpinned(1), move |_| main()).expect("a core starts");
    for result in cores.join() {
        result.expect("the core ended well");
    }
}

/// An empty directory below the build's own, one for each name.
pub fn empty_dir(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("storage").join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("the build directory is ours");
    dir
}

pub async fn create(name: &str, settings: LogSettings) -> (Rc<Log>, Rc<Budget>) {
    let budget = Budget::new(Limits::default());
    let dir = empty_dir(name).join("t-0");
    let log = Log::create(&dir, TOPIC, settings, &budget).await.expect("a new log");
    (log, budget)
}

/// One batch of `count` records of `size` bytes each, whose values tell them apart.
pub fn batch(count: usize, size: usize) -> Vec<u8> {
    batch_of(BatchFields::default(), count, size)
}

pub fn batch_of(fields: BatchFields, count: usize, size: usize) -> Vec<u8> {
    thread_local! {
        static NEXT: Cell<u64> = const { Cell::new(0) };
    }
    let mut builder = BatchBuilder::new(fields);
    for _ in 0..count {
        let number = NEXT.replace(NEXT.get() + 1);
        let mut value = vec![number as u8; size.max(8)];
        value[..8].copy_from_slice(&number.to_be_bytes());
        builder.push(NOW, None, Some(&value), &[]);
    }
    builder.finish()
}

/// Flushes until nothing is left to do.
pub async fn flush(log: &Log) {
    while log.is_dirty() {
        log.flush_step().await.expect("the disk works");
    }
}

/// The bytes that a plan would send.
pub async fn bytes_of(plan: &ReadPlan) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in &plan.pieces {
        match piece {
            Piece::Bytes(slice) => out.extend_from_slice(slice),
            Piece::File(range) => {
                let buf = ringmain::base::buf::Buf::with_capacity(range.len as usize);
                let (result, buf) = range.file.read_at(buf, range.pos, range.len as usize).await;
                assert_eq!(result.expect("a read") as u64, range.len);
                out.extend_from_slice(&buf);
            }
        }
    }
    assert_eq!(out.len() as u64, plan.bytes);
    out
}

/// Reads the whole log in steps of `max_bytes`, checks every batch and the continuity of offsets,
/// and yields the bytes with the placing of the broker undone.
pub async fn read_all(log: &Log, max_bytes: u64) -> Vec<Vec<u8>> {
    let mut offset = log.log_start_offset();
    let end = log.end_offset();
    let mut batches = Vec::new();
    while offset < end {
        let plan = log.read(offset, max_bytes, end, true).await.expect("a read");
        assert!(plan.bytes > 0, "nothing at {offset} of {end}");
        let bytes = bytes_of(&plan).await;
        for batch in Batches::new(&bytes) {
            let batch = batch.expect("whole batches");
            batch.check_crc().expect("as it was written");
            assert_eq!(batch.header.base_offset(), offset, "offsets follow one another");
            offset = batch.header.next_offset();
            let mut bytes = batch.bytes.to_vec();
            ringmain::wire::batch::stamp(&mut bytes, 0, -1);
            batches.push(bytes);
        }
        assert_eq!(plan.next_offset, offset);
        rt::yield_now().await;
    }
    batches
}

/// A simulated machine with one directory for logs, and what the last checkpoint said of the log.
#[derive(Clone)]
pub struct World(Rc<Machine>);

struct Machine {
    sim: Sim,
    host: HostId,
    checkpoint: RefCell<Option<Entry>>,
}

impl World {
    pub fn new(seed: u64) -> World {
        let sim = Sim::new(seed);
        let host = sim.add_host("broker");
        sim.disk(host).install_dir(Path::new("/data")).expect("an empty disk");
        World(Rc::new(Machine { sim, host, checkpoint: RefCell::default() }))
    }

    /// Runs on the machine's only core.
    pub fn run<F: Future<Output = ()> + 'static>(self, main: impl FnOnce(World) -> F) {
        let future = main(self.clone());
        let task = self.0.sim.spawn(self.0.host, future);
        self.0.sim.run(task);
    }

    fn budget() -> Rc<Budget> {
        Budget::new(Limits { cache_bytes: 64 << 10, ..Limits::default() })
    }

    pub async fn create(&self, name: &str, settings: LogSettings) -> Rc<Log> {
        let dir = Path::new("/data").join(name);
        Log::create(&dir, TOPIC, settings, &World::budget()).await.expect("a new log")
    }

    pub async fn open(&self, name: &str, settings: LogSettings) -> Rc<Log> {
        self.try_open(name, settings).await.expect("it opens")
    }

    pub async fn try_open(&self, name: &str, settings: LogSettings) -> Result<Rc<Log>, Error> {
        let dir = Path::new("/data").join(name);
        let known = self.0.checkpoint.borrow().clone();
        Log::open(&dir, settings, &World::budget(), known.as_ref()).await
    }

    /// Closes in order and opens again.
    pub async fn reopen(&self, log: Rc<Log>) -> Rc<Log> {
        self.keep(log.close().await.expect("it closes"));
        let name = log.dir().file_name().unwrap().to_string_lossy().into_owned();
        self.open(&name, log.settings()).await
    }

    /// Goes on as if the process had been killed here; what it had in flight still happens.
    pub async fn crash_and_open(&self, name: &str, settings: LogSettings) -> Rc<Log> {
        rt::sleep(std::time::Duration::from_millis(50)).await;
        self.open(name, settings).await
    }

    pub fn keep(&self, entry: Entry) {
        *self.0.checkpoint.borrow_mut() = Some(entry);
    }

    pub fn forget_checkpoint(&self) {
        self.0.checkpoint.borrow_mut().take();
    }

    pub fn set_clock_offset(&self, offset_ms: i64) {
        self.0.sim.set_clock_offset(self.0.host, offset_ms);
    }

    pub fn disk(&self) -> Rc<Disk> {
        self.0.sim.disk(self.0.host)
    }
}
