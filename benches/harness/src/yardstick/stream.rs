//! The yardsticks of fetch: bare loops that send bytes of memory, or splice files, to whoever
//! connects, for as long as he reads.
#![expect(unsafe_code, reason = "io_uring takes raw pointers; each block states its proof")]

use std::fs::File;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use io_uring::{opcode, squeue, types};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with};

use crate::yardstick::fetch::evict;
use crate::yardstick::pin;
use crate::yardstick::uring::{Done, Uring};

#[derive(Args)]
pub struct Send {
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:42191")]
    listen: String,
    /// Bytes of memory sent over and over
    #[arg(long, default_value = "64m", value_parser = crate::yardstick::bytes)]
    range: u64,
    /// Bytes of a send
    #[arg(long, default_value = "256k", value_parser = crate::yardstick::bytes)]
    block: u64,
    #[arg(long, default_value_t = 0)]
    cpu: usize,
}

#[derive(Args)]
pub struct Splice {
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:42192")]
    listen: String,
    /// What is sent, in this order
    #[arg(long, value_name = "FILE", required = true)]
    file: Vec<PathBuf>,
    /// Bytes of the files that are sent, from the beginning
    #[arg(long, value_parser = crate::yardstick::bytes)]
    range: Option<u64>,
    /// Ends the connection at the end of the range instead of beginning again
    #[arg(long)]
    once: bool,
    /// Drops the files from the page cache for each connection
    #[arg(long)]
    evict: bool,
    #[arg(long, value_enum, default_value_t = Way::Ring)]
    way: Way,
    /// Bytes of a splice
    #[arg(long, default_value = "256k", value_parser = crate::yardstick::bytes)]
    block: u64,
    /// Bytes of the pipe
    #[arg(long, default_value = "1m", value_parser = crate::yardstick::bytes)]
    pipe: u64,
    #[arg(long, default_value_t = 0)]
    cpu: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// System calls that block
    Calls,
    Sendfile,
    /// io_uring, one splice after the other
    Ring,
    /// io_uring, the two splices of a block linked
    Linked,
}

fn serve(
    name: &str,
    listen: &str,
    mut stream: impl FnMut(TcpStream) -> io::Result<()>,
) -> io::Result<()> {
    let listener = TcpListener::bind(listen)?;
    println!("{name} ready on {}", listener.local_addr()?);
    loop {
        let (connection, _) = listener.accept()?;
        connection.set_nodelay(true)?;
        match stream(connection) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => return Err(error),
        }
    }
}

pub fn send(arguments: &Send) -> io::Result<()> {
    pin(Some(arguments.cpu))?;
    let memory = vec![0x5a_u8; arguments.range as usize];
    serve("send", &arguments.listen, |mut connection| {
        loop {
            for block in memory.chunks(arguments.block as usize) {
                connection.write_all(block)?;
            }
        }
    })
}

/// A part of a file, to be sent.
struct Part {
    file: File,
    len: u64,
}

pub fn splice(arguments: &Splice) -> io::Result<()> {
    pin(Some(arguments.cpu))?;
    let mut left = arguments.range.unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for path in &arguments.file {
        let file = File::open(path)?;
        let len = file.metadata()?.len().min(left);
        left -= len;
        if len > 0 {
            parts.push(Part { file, len });
        }
    }
    serve("splice", &arguments.listen, |connection| {
        if arguments.evict {
            arguments.file.iter().try_for_each(|path| evict(path))?;
        }
        // Of each connection its own: one that ends leaves bytes in the pipe.
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setpipe_size(&write, arguments.pipe as usize)?;
        let (way, block, ring) = (arguments.way, arguments.block, Uring::new()?);
        let mut splicer = Splicer { way, block, read, write, ring, done: Vec::new() };
        loop {
            for part in &parts {
                splicer.send(part, &connection)?;
            }
            if arguments.once {
                return Ok(());
            }
        }
    })
}

struct Splicer {
    way: Way,
    block: u64,
    read: OwnedFd,
    write: OwnedFd,
    ring: Uring,
    done: Vec<Done>,
}

impl Splicer {
    fn send(&mut self, part: &Part, to: &TcpStream) -> io::Result<()> {
        let mut at = 0;
        while at < part.len {
            let block = self.block.min(part.len - at) as usize;
            let moved = match self.way {
                Way::Sendfile => {
                    let mut from = at;
                    rustix::fs::sendfile(to, &part.file, Some(&mut from), block)?
                }
                Way::Calls => {
                    let (file, flags) = (&part.file, SpliceFlags::MOVE);
                    let mut from = at;
                    let filled = rustix::pipe::splice(
                        file,
                        Some(&mut from),
                        &self.write,
                        None,
                        block,
                        flags,
                    )?;
                    self.drain(filled, |pipe, left| {
                        Ok(rustix::pipe::splice(&pipe.read, None, to, None, left, flags)?)
                    })?
                }
                Way::Ring => {
                    let filled = self.one(fill(&part.file, at, &self.write, block))?;
                    self.drain(filled, |pipe, left| {
                        let entry = flow(&pipe.read, to, left);
                        pipe.one(entry)
                    })?
                }
                Way::Linked => self.linked(part, at, block, to)?,
            };
            if moved == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += moved as u64;
        }
        Ok(())
    }

    fn drain(
        &mut self,
        filled: usize,
        mut some: impl FnMut(&mut Splicer, usize) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut left = filled;
        while left > 0 {
            match some(self, left)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                moved => left -= moved,
            }
        }
        Ok(filled)
    }

    /// One operation, waited for.
    fn one(&mut self, entry: squeue::Entry) -> io::Result<usize> {
        // SAFETY: a splice points at no memory; its descriptors stay open while this waits.
        unsafe { self.ring.push(entry, 0)? };
        self.ring.wait(&mut self.done)?;
        let done = self.done.pop().ok_or_else(|| io::Error::other("nothing was done"))?;
        done.result
    }

    /// Both splices of a block in one submission; what a short one left is moved by itself.
    fn linked(&mut self, part: &Part, at: u64, block: usize, to: &TcpStream) -> io::Result<usize> {
        let first = fill(&part.file, at, &self.write, block).flags(squeue::Flags::IO_LINK);
        let second = flow(&self.read, to, block);
        // SAFETY: a splice points at no memory; its descriptors stay open while this waits.
        unsafe {
            self.ring.push(first, 0)?;
            self.ring.push(second, 1)?;
        }
        let (mut filled, mut drained) = (None, None);
        while filled.is_none() || drained.is_none() {
            self.ring.wait(&mut self.done)?;
            for Done { key, result } in self.done.drain(..) {
                match key {
                    0 => filled = Some(result),
                    _ => drained = Some(result),
                }
            }
        }
        let filled = filled.expect("both are done")?;
        let drained = match drained.expect("both are done") {
            Ok(count) => count,
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => 0,
            Err(error) => return Err(error),
        };
        self.drain(filled - drained, |pipe, left| {
            let entry = flow(&pipe.read, to, left);
            pipe.one(entry)
        })?;
        Ok(filled)
    }
}

fn fill(file: &File, at: u64, pipe: &OwnedFd, len: usize) -> squeue::Entry {
    let (from, to) = (types::Fd(file.as_raw_fd()), types::Fd(pipe.as_raw_fd()));
    opcode::Splice::new(from, at as i64, to, -1, len as u32).flags(libc::SPLICE_F_MOVE).build()
}

fn flow(pipe: &OwnedFd, socket: &TcpStream, len: usize) -> squeue::Entry {
    let (from, to) = (types::Fd(pipe.as_raw_fd()), types::Fd(socket.as_raw_fd()));
    opcode::Splice::new(from, -1, to, -1, len as u32).flags(libc::SPLICE_F_MOVE).build()
}
