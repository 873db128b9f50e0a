//! File ranges to sockets without passing user space: file to pipe, pipe to socket, in blocks.
//!
//! What the page cache holds is spliced by the core itself, which costs it less than the kernel's
//! worker and the two wake-ups. What it does not hold comes by way of the catch-up lane ([`cold`]):
//! spliced by a worker, which may block, while the block before it leaves. A pipe is emptied by the
//! core alone and never blocks: a reader that does not read holds up no worker.
//!
//! [`cold`]: super::cold

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};

use super::super::ring::Ring;
use super::super::task::{Task, spawn, yield_now};
use super::cold::{Filled, Reader, Way};
use super::file::name_of;
use super::pipe::Pipe;

/// Sends `len` bytes of a file from `pos` on. `more`: something else follows at once.
pub(super) async fn send_range(
    reader: Reader,
    socket: &Rc<OwnedFd>,
    pos: u64,
    len: u64,
    more: bool,
) -> io::Result<()> {
    let reader = Rc::new(reader);
    let (mut at, end) = (pos, pos + len);
    let mut ahead = None;
    while at < end {
        let block = ahead.take().unwrap_or_else(|| begin(&reader, at, end));
        let has_to_come = matches!(block, Block::Coming(_));
        let filled = match block {
            Block::Cached(len) => fill(&reader, at, len),
            Block::Coming(task) => task.await,
        };
        let Filled { pipe, len, surplus, slot } =
            filled.map_err(|error| unreadable(&reader.file, at, &error))?;
        at += len;
        if has_to_come && at < end {
            // The next one comes while this one leaves.
            ahead = Some(begin(&reader, at, end));
        }
        drain(&reader.ring, &pipe, socket, len, more || at < end).await?;
        reader.sent(at);
        drop(slot);
        pipe.discard(surplus)?;
        pipe.give_back();
        if at < end {
            // A fast reader of a cached file would keep the core to itself.
            yield_now().await;
        }
    }
    Ok(())
}

/// What is sent next.
enum Block {
    /// So many bytes that need not be waited for.
    Cached(u64),
    /// A worker fills a pipe when the lane has room.
    Coming(Task<io::Result<Filled>>),
}

fn begin(reader: &Rc<Reader>, pos: u64, end: u64) -> Block {
    match reader.look(pos, end) {
        (Way::Cached, len) => Block::Cached(len),
        // A task of its own: a client that takes nothing must not keep what others wait for.
        (way, len) => Block::Coming(spawn(reader.clone().bring(way, pos, len))),
    }
}

fn fill(reader: &Reader, mut pos: u64, len: u64) -> io::Result<Filled> {
    let (pipe, flags) = (Pipe::take()?, SpliceFlags::MOVE | SpliceFlags::NONBLOCK);
    match splice(&reader.file, Some(&mut pos), &pipe.write, None, len as usize, flags)? as u64 {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        len => Ok(Filled { pipe, len, surplus: 0, slot: None }),
    }
}

/// The reader is gone with this error, and with it everybody who knew what was being read.
fn unreadable(file: &OwnedFd, pos: u64, error: &io::Error) -> io::Error {
    let what = format!("{} cannot be read at {pos}: {error}", name_of(file).display());
    io::Error::new(error.kind(), what)
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
