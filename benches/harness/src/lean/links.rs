//! Nonblocking connections behind one edge-triggered epoll: the client's whole runtime.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use crate::lean::rpc;

/// Longest time without a look at the clock.
const PATIENCE: u64 = 50_000_000;
const EVENTS: usize = 256;

pub struct Links {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Links {
    pub fn new() -> io::Result<Links> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Links { epoll, events: Vec::with_capacity(EVENTS) })
    }

    /// Connects; `key` names the connection from now on.
    pub fn connect(&self, to: &str, key: usize) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(rpc::resolve(to)?)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        self.add(&stream, key)?;
        Ok(stream)
    }

    /// Takes in a connection that was made elsewhere and does not block.
    pub fn add(&self, stream: &TcpStream, key: usize) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.epoll, stream, EventData::new_u64(key as u64), flags)?)
    }

    /// Waits until some connections can go on.
    pub fn wait(&mut self) -> io::Result<impl Iterator<Item = usize>> {
        self.wait_for(PATIENCE)
    }

    /// The same, for no longer than so many nanoseconds.
    pub fn wait_for(&mut self, nanos: u64) -> io::Result<impl Iterator<Item = usize>> {
        let nanos = nanos.min(PATIENCE);
        let timeout = Timespec { tv_sec: 0, tv_nsec: nanos as i64 };
        self.events.clear();
        let room = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, room, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.events.iter().map(|event| event.data.u64() as usize))
    }
}

/// A nonblocking result: `None` when it would have blocked.
pub fn ready(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}

pub fn closed() -> io::Error {
    io::Error::other("the server closed the connection")
}
