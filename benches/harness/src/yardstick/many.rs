//! What it costs to make many files durable at once, a block in each: a flush for each, or one for all.
//! The figures behind the way in which the logs of a core are flushed.
#![expect(unsafe_code, reason = "io_uring takes raw pointers; each block states its proof")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use io_uring::{opcode, types};
use ringmain::base::buf::Buf;
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, open, syncfs, unlink};

use crate::meter::usage;
use crate::yardstick::pin;
use crate::yardstick::uring::{Done, Uring};

/// Set in the key of a sync, beside the file's number.
const SYNC: u64 = 1 << 32;

#[derive(Args)]
pub struct Many {
    /// Where the files are made (and unlinked at once)
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// How many files
    #[arg(long, value_delimiter = ',', default_value = "1,100,1000")]
    files: Vec<usize>,
    /// Bytes of all files together; a file that was written before begins again at its end
    #[arg(long, default_value = "2g", value_parser = crate::yardstick::bytes)]
    size: u64,
    /// Block sizes
    #[arg(long, value_delimiter = ',', default_value = "4k,64k", value_parser = crate::yardstick::bytes)]
    blocks: Vec<u64>,
    /// What the files are before
    #[arg(long, value_enum, value_delimiter = ',', default_value = "extend,recycled")]
    states: Vec<State>,
    /// How the blocks are made durable
    #[arg(long, value_enum, value_delimiter = ',', default_value = "alone,each,one,fs")]
    ways: Vec<Way>,
    /// Kernel workers that flush at the same time
    #[arg(long, default_value_t = 8)]
    workers: u32,
    /// Seconds of each run
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Rounds over everything, taken in turn
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    #[arg(long)]
    cpu: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    /// Reserved and extended, never written (fallocate)
    Extend,
    /// Written before
    Recycled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// Every file by itself: a block, its fdatasync, the next block
    Alone,
    /// In ticks: a block in every file, then an fdatasync of each, together
    Each,
    /// In ticks: one fdatasync of one file, whose device flush covers all. Promises nothing where
    /// the blocks of another were not written before
    One,
    /// In ticks: one syncfs
    Fs,
}

struct Run<'a> {
    ring: Uring,
    files: &'a [OwnedFd],
    buffer: Buf,
    block: u64,
    /// Of one file.
    size: u64,
    at: Vec<u64>,
    began: Vec<Instant>,
    latency: Histogram<u64>,
    writes: u64,
    end: Instant,
    /// Never twice over one block.
    once: bool,
}

pub fn run(arguments: &Many) -> io::Result<()> {
    pin(arguments.cpu)?;
    println!(
        "| files | file | durable by | block | MB/s | writes/s | p50 us | p99 us | CPU us a write |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for _ in 0..arguments.rounds {
        for &count in &arguments.files {
            for &state in &arguments.states {
                for &block in &arguments.blocks {
                    for &way in &arguments.ways {
                        one(arguments, count, state, way, block)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn one(arguments: &Many, count: usize, state: State, way: Way, block: u64) -> io::Result<()> {
    let size = (arguments.size / count as u64 / block).clamp(1, 1 << 14) * block;
    let files: Vec<OwnedFd> =
        (0..count).map(|_| prepare(arguments, state, size)).collect::<io::Result<_>>()?;
    rustix::fs::sync();
    let mut buffer = Buf::with_capacity(block as usize);
    buffer.set_len(block as usize);
    buffer.fill(1);
    let mut run = Run {
        ring: Uring::new()?,
        files: &files,
        buffer,
        block,
        size,
        at: vec![0; count],
        began: vec![Instant::now(); count],
        latency: Histogram::new_with_bounds(1, 100_000_000, 3).expect("constant bounds"),
        writes: 0,
        end: Instant::now() + Duration::from_secs_f64(arguments.seconds),
        once: state != State::Recycled,
    };
    run.ring.limit_workers(arguments.workers)?;
    let (began, before) = (Instant::now(), usage::own());
    match way {
        Way::Alone => run.alone()?,
        _ => run.in_ticks(way)?,
    }
    let (seconds, used) = (began.elapsed().as_secs_f64(), usage::own() - before);
    println!(
        "| {count} | {state:?} | {way:?} | {} KiB | {:.1} | {:.0} | {} | {} | {:.1} |",
        block >> 10,
        (run.writes * block) as f64 / seconds / 1e6,
        run.writes as f64 / seconds,
        run.latency.value_at_quantile(0.5),
        run.latency.value_at_quantile(0.99),
        used / run.writes as f64 * 1e6,
    );
    Ok(())
}

fn prepare(arguments: &Many, state: State, size: u64) -> io::Result<OwnedFd> {
    let path = arguments.dir.join("many.data");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::DIRECT | OFlags::CLOEXEC;
    let file = open(&path, flags, Mode::from_raw_mode(0o644))?;
    unlink(&path)?;
    fallocate(&file, FallocateFlags::empty(), 0, size)?;
    if state == State::Recycled {
        let mut buffer = Buf::with_capacity(1 << 20);
        buffer.set_len(1 << 20);
        let mut at = 0;
        while at < size {
            let len = (size - at).min(1 << 20) as usize;
            at += rustix::io::pwrite(&file, &buffer[..len], at)? as u64;
        }
    }
    Ok(file)
}

impl Run<'_> {
    fn alone(&mut self) -> io::Result<()> {
        let mut under_way = 0;
        for index in 0..self.files.len() {
            under_way += usize::from(self.write(index)?);
        }
        let mut done = Vec::new();
        while under_way > 0 {
            self.ring.wait(&mut done)?;
            for Done { key, result } in done.drain(..) {
                let (index, result) = ((key & !SYNC) as usize, result?);
                if key & SYNC == 0 {
                    assert_eq!(result as u64, self.block, "a short write");
                    self.sync(index)?;
                    continue;
                }
                self.took(index);
                under_way -= 1;
                if Instant::now() < self.end {
                    under_way += usize::from(self.write(index)?);
                }
            }
        }
        Ok(())
    }

    fn in_ticks(&mut self, way: Way) -> io::Result<()> {
        while Instant::now() < self.end {
            let mut written = 0;
            for index in 0..self.files.len() {
                written += usize::from(self.write(index)?);
            }
            if written == 0 {
                return Ok(());
            }
            self.wait_for(written)?;
            match way {
                Way::Each => {
                    for index in 0..written {
                        self.sync(index)?;
                    }
                    self.wait_for(written)?;
                }
                Way::One => {
                    self.sync(0)?;
                    self.wait_for(1)?;
                }
                Way::Fs | Way::Alone => syncfs(&self.files[0])?,
            }
            (0..written).for_each(|index| self.took(index));
        }
        Ok(())
    }

    fn wait_for(&mut self, mut count: usize) -> io::Result<()> {
        let mut done = Vec::new();
        while count > 0 {
            self.ring.wait(&mut done)?;
            count -= done.len();
            done.drain(..).try_for_each(|done| done.result.map(drop))?;
        }
        Ok(())
    }

    fn took(&mut self, index: usize) {
        self.latency.saturating_record(self.began[index].elapsed().as_micros() as u64);
        self.writes += 1;
    }

    fn sync(&mut self, index: usize) -> io::Result<()> {
        let fd = types::Fd(self.files[index].as_raw_fd());
        let entry = opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC).build();
        // SAFETY: the entry points at nothing.
        unsafe { self.ring.push(entry, index as u64 | SYNC) }
    }

    /// False when the file is full and must not be written twice.
    fn write(&mut self, index: usize) -> io::Result<bool> {
        if self.at[index] >= self.size {
            if self.once {
                return Ok(false);
            }
            self.at[index] = 0;
        }
        let fd = types::Fd(self.files[index].as_raw_fd());
        let (from, len) = (self.buffer.as_ptr(), self.buffer.len() as u32);
        let entry = opcode::Write::new(fd, from, len).offset(self.at[index]).build();
        self.at[index] += self.block;
        self.began[index] = Instant::now();
        // SAFETY: the buffer lives as long as the run, and nobody changes it.
        unsafe { self.ring.push(entry, index as u64)? };
        Ok(true)
    }
}
