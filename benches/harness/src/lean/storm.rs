//! A storm of connections: each is opened when it is due, greets the broker (ApiVersions), and is
//! closed when it has the answer. Its time counts from when it was due.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use ringmain::wire::messages::api_versions::{ApiVersions, ApiVersionsRequest};
use ringmain::wire::{Writer, frame};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::clock;
use crate::driver::Nanos;
use crate::lean::links::{Links, ready};
use crate::schedule::Schedule;
use crate::tally::{Tally, Window};

const EVENT: &str = "connections";
/// Open at the same time; further ones wait, and stay due when they were.
const OPEN_MAX: usize = 10_000;

pub struct Storm {
    to: SocketAddr,
    schedule: Schedule,
    next: u64,
    open: BTreeMap<usize, Connection>,
    greeting: Vec<u8>,
    window: Arc<Window>,
    pub wake: Nanos,
}

struct Connection {
    stream: TcpStream,
    due: Nanos,
    greeted: bool,
    answer: Vec<u8>,
}

impl Storm {
    pub fn new(to: SocketAddr, schedule: Schedule, window: Arc<Window>) -> Storm {
        let request = ApiVersionsRequest {
            client_software_name: "ringmain-bench",
            client_software_version: env!("CARGO_PKG_VERSION"),
            ..Default::default()
        };
        let mut greeting = Vec::new();
        let mut writer = Writer::new(&mut greeting);
        frame::write_request::<ApiVersions>(&mut writer, 3, 1, Some("storm"), &request);
        Storm { to, schedule, next: 0, open: BTreeMap::new(), greeting, window, wake: 0 }
    }

    /// Opens what is due; `key` makes the name of a connection in the epoll.
    pub fn pump(
        &mut self,
        now: Nanos,
        links: &Links,
        key: impl Fn(usize) -> usize,
        tally: &mut Tally,
    ) -> io::Result<()> {
        while self.open.len() < OPEN_MAX {
            let due = self.schedule.due(self.next);
            self.wake = due;
            if due > now || due >= self.window.end() {
                break;
            }
            let number = self.next as usize;
            self.next += 1;
            match connect(self.to) {
                Ok(stream) => {
                    links.add(&stream, key(number))?;
                    let (greeted, answer) = (false, Vec::new());
                    self.open.insert(number, Connection { stream, due, greeted, answer });
                }
                Err(error) => tally.event_failed(EVENT, format!("connect: {error}")),
            }
        }
        Ok(())
    }

    pub fn go_on(&mut self, number: usize, tally: &mut Tally) {
        let Some(connection) = self.open.get_mut(&number) else { return };
        match connection.go_on(&self.greeting) {
            Ok(false) => return,
            Ok(true) => tally.event(&self.window, EVENT, connection.due, clock::now()),
            Err(error) => tally.event_failed(EVENT, format!("a greeting: {error}")),
        }
        self.open.remove(&number);
    }
}

impl Connection {
    /// True when the answer is there.
    fn go_on(&mut self, greeting: &[u8]) -> io::Result<bool> {
        if !self.greeted {
            match (&self.stream).write(greeting) {
                Ok(_) => self.greeted = true,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
                    ) =>
                {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        let mut bytes = [0; 4096];
        while let Some(count) = ready((&self.stream).read(&mut bytes))? {
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.answer.extend_from_slice(&bytes[..count]);
        }
        let len = self.answer.first_chunk().map(|prefix| i32::from_be_bytes(*prefix) as usize);
        Ok(len.is_some_and(|len| self.answer.len() >= len + frame::LENGTH_SIZE))
    }
}

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}
