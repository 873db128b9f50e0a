//! File ranges to sockets without passing user space: file to pipe, pipe to socket, in blocks.
//!
//! What the page cache holds is spliced by the core itself, which costs it less than the kernel's
//! worker and the two wake-ups. What it does not hold is spliced by a worker, which may block, while
//! the block before it leaves. A pipe is emptied by the core alone and never blocks: a reader that
//! does not read holds up no worker.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::super::current::{Current, with};
use super::super::ring::{Ring, Running};
use super::super::task::yield_now;
use super::file::name_of;

/// Bytes one splice moves.
const BLOCK_BYTES: u64 = 256 << 10;
/// Bytes a pipe holds: a block that begins and ends inside a page, in whole pages.
const PIPE_BYTES: usize = 512 << 10;
/// Pipes a core keeps for reuse.
const PIPES_MAX: usize = 16;
/// Between two looks into the page cache: the kernel reads ahead by that much and more.
const LOOK_BYTES: u64 = 128 << 10;

/// Sends `len` bytes of a file from `pos` on. `more`: something else follows at once.
pub(super) async fn send_range(
    ring: &Rc<Ring>,
    socket: &Rc<OwnedFd>,
    file: &Rc<OwnedFd>,
    pos: u64,
    len: u64,
    more: bool,
) -> io::Result<()> {
    let (mut at, end) = (pos, pos + len);
    let mut next = (at < end).then(|| Block::fill(ring, file, at, end)).transpose()?;
    while let Some(block) = next.take() {
        let (pipe, filled) = block.filled().await?;
        at += filled;
        next = (at < end).then(|| Block::fill(ring, file, at, end)).transpose()?;
        drain(ring, &pipe, socket, filled, more || at < end).await?;
        // Only an empty pipe is given back; one that an error left full is closed.
        pipe.give_back();
        if next.is_some() {
            // A fast reader of a cached file would keep the core to itself.
            yield_now().await;
        }
    }
    Ok(())
}

/// A pipe with bytes of a file, or one that a worker fills.
struct Block {
    pipe: Pipe,
    state: Filling,
    file: Rc<OwnedFd>,
    pos: u64,
}

enum Filling {
    Done(u64),
    Running(Running),
}

impl Block {
    fn fill(ring: &Rc<Ring>, file: &Rc<OwnedFd>, pos: u64, end: u64) -> io::Result<Block> {
        let pipe = Pipe::take()?;
        let len = (end - pos).min(BLOCK_BYTES);
        let state = if is_cached(file, pos, len) {
            let mut from = pos;
            let (to, flags) = (&pipe.write, SpliceFlags::MOVE | SpliceFlags::NONBLOCK);
            let filled = splice(file, Some(&mut from), to, None, len as usize, flags);
            Filling::Done(filled.map_err(|error| unreadable(file, pos, &error.into()))? as u64)
        } else {
            Filling::Running(ring.splice(file, pos, &pipe.write, len as u32))
        };
        Ok(Block { pipe, state, file: file.clone(), pos })
    }

    async fn filled(self) -> io::Result<(Pipe, u64)> {
        let filled = match self.state {
            Filling::Done(filled) => filled,
            Filling::Running(running) => match running.await.0 {
                Ok(filled) => filled.into(),
                Err(error) => return Err(unreadable(&self.file, self.pos, &error)),
            },
        };
        match filled {
            0 => Err(unreadable(&self.file, self.pos, &io::ErrorKind::UnexpectedEof.into())),
            filled => Ok((self.pipe, filled)),
        }
    }
}

/// The reader is gone with this error, and with it everybody who knew what was being read.
fn unreadable(file: &OwnedFd, pos: u64, error: &io::Error) -> io::Error {
    let what = format!("{} cannot be read at {pos}: {error}", name_of(file).display());
    io::Error::new(error.kind(), what)
}

/// Whether reading would not wait for the disk; a guess, which looks at some pages of all.
fn is_cached(file: &impl AsFd, pos: u64, len: u64) -> bool {
    let last = pos + len - 1;
    (pos..last).step_by(LOOK_BYTES as usize).chain([last]).all(|at| {
        let mut byte = [0];
        let into = &mut [io::IoSliceMut::new(&mut byte)];
        preadv2(file, into, at, ReadWriteFlags::NOWAIT).is_ok_and(|count| count == 1)
    })
}

async fn drain(
    ring: &Rc<Ring>,
    pipe: &Pipe,
    socket: &Rc<OwnedFd>,
    mut left: u64,
    more: bool,
) -> io::Result<()> {
    let mut flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    flags.set(SpliceFlags::MORE, more);
    while left > 0 {
        // A splice asks the socket's own flag whether to wait. It is up only here, in one go: the
        // ring's operations would take it for "do not wait" too.
        fcntl_setfl(socket, OFlags::NONBLOCK)?;
        let moved = splice(&pipe.read, None, socket, None, left as usize, flags);
        fcntl_setfl(socket, OFlags::empty())?;
        match moved {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(moved) => left -= moved as u64,
            Err(Errno::AGAIN) => drop(ring.writable(socket).await.0?),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

struct Pipe {
    read: Rc<OwnedFd>,
    write: Rc<OwnedFd>,
}

/// Empty pipes of this core.
#[derive(Default)]
pub struct Pipes(RefCell<Vec<Pipe>>);

fn with_pipes<T>(f: impl FnOnce(&mut Vec<Pipe>) -> T) -> T {
    with(|current| match current {
        Current::Real(core) => f(&mut core.pipes.0.borrow_mut()),
        Current::Sim(_) => unreachable!("a real pipe in the simulator"),
    })
}

impl Pipe {
    fn take() -> io::Result<Pipe> {
        if let Some(pipe) = with_pipes(Vec::pop) {
            return Ok(pipe);
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        // Beyond the user's pipe allowance the kernel refuses: a small pipe works too, slower.
        let _ = fcntl_setpipe_size(&write, PIPE_BYTES);
        Ok(Pipe { read: Rc::new(read), write: Rc::new(write) })
    }

    fn give_back(self) {
        with_pipes(|pipes| {
            if pipes.len() < PIPES_MAX {
                pipes.push(self);
            }
        });
    }
}
