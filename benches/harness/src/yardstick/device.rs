//! What the disk does with sequential direct writes: by block size, depth, state of the file, and
//! the way of making them durable. The figures behind the choices of the log.
#![expect(unsafe_code, reason = "io_uring takes raw pointers; each block states its proof")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use io_uring::{opcode, types};
use ringmain::base::buf::Buf;
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, open, unlink};

use crate::meter::usage;
use crate::yardstick::pin;
use crate::yardstick::uring::{Done, Uring};

const RWF_DSYNC: i32 = 2;
const SYNC_KEY: u64 = u64::MAX;

#[derive(Args)]
pub struct Device {
    /// Where the file is made (and unlinked at once)
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Bytes of the file; a run begins again at its end
    #[arg(long, default_value = "1g", value_parser = crate::yardstick::bytes)]
    pub size: u64,
    /// Block sizes
    #[arg(long, value_delimiter = ',', default_value = "4k,64k,256k,1m", value_parser = crate::yardstick::bytes)]
    pub blocks: Vec<u64>,
    /// Writes in flight
    #[arg(long, value_delimiter = ',', default_value = "1,4")]
    pub depths: Vec<usize>,
    /// What the file is before
    #[arg(long, value_enum, value_delimiter = ',', default_value = "extend")]
    pub states: Vec<State>,
    /// How writes are made durable
    #[arg(long, value_enum, value_delimiter = ',', default_value = "written")]
    pub ways: Vec<Way>,
    /// Seconds of each run
    #[arg(long, default_value_t = 1.0)]
    pub seconds: f64,
    #[arg(long)]
    pub cpu: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// Empty: every write extends it
    Append,
    /// Reserved and extended, never written (fallocate)
    Extend,
    /// Reserved beyond its end (fallocate, keep size)
    KeepSize,
    /// Written before
    Recycled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// Not at all
    Written,
    /// Each write by itself
    Dsync,
    /// A sync after each round of writes
    Fdatasync,
}

struct Run<'a> {
    ring: Uring,
    file: &'a OwnedFd,
    buffers: Vec<Buf>,
    block: u64,
    size: u64,
    way: Way,
    at: u64,
    began: Vec<Instant>,
    latency: Histogram<u64>,
    writes: u64,
}

pub fn run(arguments: &Device) -> io::Result<()> {
    println!(
        "| file | durable by | block | depth | MB/s | writes/s | p50 us | p99 us | CPU s/GB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    measure(arguments, |found| {
        println!(
            "| {:?} | {:?} | {} KiB | {} | {:.0} | {:.0} | {} | {} | {:.3} |",
            found.state,
            found.way,
            found.block >> 10,
            found.depth,
            found.mb_per_second,
            found.writes_per_second,
            found.p50_us,
            found.p99_us,
            found.cpu_seconds_per_gb,
        );
    })
}

/// What one combination gave.
pub struct Found {
    pub state: State,
    pub way: Way,
    pub block: u64,
    pub depth: usize,
    pub mb_per_second: f64,
    pub writes_per_second: f64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub cpu_seconds_per_gb: f64,
}

/// Every combination, told as it is found.
pub fn measure(arguments: &Device, mut tell: impl FnMut(Found)) -> io::Result<()> {
    pin(arguments.cpu)?;
    for &state in &arguments.states {
        for &way in &arguments.ways {
            for &block in &arguments.blocks {
                for &depth in &arguments.depths {
                    tell(one(arguments, state, way, block, depth)?);
                }
            }
        }
    }
    Ok(())
}

fn one(arguments: &Device, state: State, way: Way, block: u64, depth: usize) -> io::Result<Found> {
    let size = arguments.size - arguments.size % block;
    let file = prepare(arguments, state, size)?;
    let buffers = (0..depth).map(|index| {
        let mut buffer = Buf::with_capacity(block as usize);
        buffer.set_len(block as usize);
        buffer.fill(index as u8 + 1);
        buffer
    });
    let mut run = Run {
        ring: Uring::new()?,
        file: &file,
        buffers: buffers.collect(),
        block,
        size,
        way,
        at: 0,
        began: vec![Instant::now(); depth],
        latency: Histogram::new_with_bounds(1, 100_000_000, 3).expect("constant bounds"),
        writes: 0,
    };
    let (began, before) = (Instant::now(), usage::own());
    // Only a recycled file may be written twice: what is written stops being new.
    let once = state != State::Recycled;
    run.drive(began + Duration::from_secs_f64(arguments.seconds), once)?;
    let (seconds, used) = (began.elapsed().as_secs_f64(), usage::own() - before);
    let bytes = (run.writes * block) as f64;
    Ok(Found {
        state,
        way,
        block,
        depth,
        mb_per_second: bytes / seconds / 1e6,
        writes_per_second: run.writes as f64 / seconds,
        p50_us: run.latency.value_at_quantile(0.5),
        p99_us: run.latency.value_at_quantile(0.99),
        cpu_seconds_per_gb: used / (bytes / 1e9),
    })
}

fn prepare(arguments: &Device, state: State, size: u64) -> io::Result<OwnedFd> {
    let path = arguments.dir.join("device.data");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::DIRECT | OFlags::CLOEXEC;
    let file = open(&path, flags, Mode::from_raw_mode(0o644))?;
    unlink(&path)?;
    match state {
        State::Append => {}
        State::Extend => fallocate(&file, FallocateFlags::empty(), 0, size)?,
        State::KeepSize => fallocate(&file, FallocateFlags::KEEP_SIZE, 0, size)?,
        State::Recycled => {
            fallocate(&file, FallocateFlags::empty(), 0, size)?;
            let mut buffer = Buf::with_capacity(1 << 20);
            buffer.set_len(1 << 20);
            let mut at = 0;
            while at < size {
                let len = (size - at).min(1 << 20) as usize;
                at += rustix::io::pwrite(&file, &buffer[..len], at)? as u64;
            }
        }
    }
    rustix::fs::fsync(&file)?;
    Ok(file)
}

impl Run<'_> {
    fn drive(&mut self, end: Instant, once: bool) -> io::Result<()> {
        let depth = self.buffers.len();
        let mut under_way = 0;
        let mut idle: Vec<usize> = (0..depth).collect();
        loop {
            let over = Instant::now() >= end || (once && self.at >= self.size);
            // With syncs in rounds: all writes, then one sync for them.
            if !over && (self.way != Way::Fdatasync || under_way == 0) {
                for index in idle.drain(..) {
                    self.write(index)?;
                    under_way += 1;
                }
            }
            if under_way == 0 {
                return Ok(());
            }
            for index in self.wait()? {
                under_way -= 1;
                idle.push(index);
                if self.way != Way::Fdatasync {
                    self.took(index);
                }
            }
            if self.way == Way::Fdatasync && under_way == 0 {
                self.sync()?;
                (0..depth).for_each(|index| self.took(index));
            }
        }
    }

    /// The buffers whose writes have completed.
    fn wait(&mut self) -> io::Result<Vec<usize>> {
        let mut done = Vec::new();
        self.ring.wait(&mut done)?;
        let mut indices = Vec::with_capacity(done.len());
        for Done { key, result } in done {
            assert_eq!(result? as u64, self.block, "a short write");
            indices.push(key as usize);
        }
        Ok(indices)
    }

    fn sync(&mut self) -> io::Result<()> {
        let fd = types::Fd(self.file.as_raw_fd());
        let entry = opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC).build();
        // SAFETY: the entry points at nothing.
        unsafe { self.ring.push(entry, SYNC_KEY)? };
        let mut done = Vec::new();
        self.ring.wait(&mut done)?;
        done.into_iter().try_for_each(|done| done.result.map(drop))
    }

    fn took(&mut self, index: usize) {
        let micros = self.began[index].elapsed().as_micros() as u64;
        self.latency.saturating_record(micros);
        self.writes += 1;
    }

    fn write(&mut self, index: usize) -> io::Result<()> {
        if self.at >= self.size {
            self.at = 0;
        }
        let fd = types::Fd(self.file.as_raw_fd());
        let buffer = &self.buffers[index];
        let flags = if self.way == Way::Dsync { RWF_DSYNC } else { 0 };
        let entry = opcode::Write::new(fd, buffer.as_ptr(), buffer.len() as u32)
            .offset(self.at)
            .rw_flags(flags)
            .build();
        self.at += self.block;
        self.began[index] = Instant::now();
        // SAFETY: the buffer lives as long as the run, and nobody changes it.
        unsafe { self.ring.push(entry, index as u64) }
    }
}
