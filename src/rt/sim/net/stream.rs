//! One end of a connection, as its core holds it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use rustix::io::Errno;

use super::connection::Connection;
use super::host_of;
use super::listener::Waiter;
use super::pipe::Parcel;
use crate::base::buf::Buf;
use crate::base::time::Instant;
use crate::rt::file::{File, FileRange};
use crate::rt::sim::core::Core;
use crate::rt::sim::host::HostId;
use crate::rt::tcp::Piece;

/// Bytes of a file that are taken at once.
const FILE_CHUNK: u64 = 64 << 10;

/// Clones share the end; the last one to go closes it.
#[derive(Clone)]
pub struct Stream(Rc<End>);

struct End {
    core: Rc<Core>,
    connection: Rc<Connection>,
    side: usize,
    sending: Cell<bool>,
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.connection.is_abandoned(self.side) {
            self.connection.close(self.core.world(), self.side);
        }
    }
}

impl Stream {
    pub(super) fn new(core: Rc<Core>, connection: Rc<Connection>, side: usize) -> Stream {
        Stream(Rc::new(End { core, connection, side, sending: Cell::new(false) }))
    }

    pub(in crate::rt::sim) async fn connect(
        core: &Rc<Core>,
        address: SocketAddr,
    ) -> io::Result<Stream> {
        let world = core.world();
        let network = &world.network;
        let deadline = core.now() + world.options.net.connect_timeout;
        core.sleep(network.dice.delay(&world.options.net.delay)).await;
        let host = host_of(core, address.ip()).map(|id| world.host(id));
        let Some(host) = host.filter(|host| host.powered.get()) else {
            core.sleep(deadline.since(core.now())).await;
            return Err(io::Error::from(Errno::TIMEDOUT));
        };
        await_heal(core, host.id, deadline).await?;
        let mut listeners = network.listeners(host.id, address);
        listeners.retain(|port| port.has_room(world.options.net.backlog));
        if listeners.is_empty() {
            return Err(io::Error::from(Errno::CONNREFUSED));
        }
        let port = listeners.swap_remove(network.dice.index(listeners.len()));
        let own = SocketAddr::new(core.host().address(), core.host().take_port());
        let peer = SocketAddr::new(host.address(), address.port());
        let connection = Connection::new([core.host().id, host.id], [own, peer]);
        network.register(&connection);
        let stream = Stream::new(core.clone(), connection.clone(), 0);
        port.enqueue(Waiter { connection, side: 1 });
        core.sleep(network.dice.delay(&world.options.net.delay)).await;
        Ok(stream)
    }

    pub fn peer_addr(&self) -> SocketAddr {
        self.0.connection.addresses[1 - self.0.side]
    }

    /// See `rt::Stream::receive_most`.
    pub async fn receive(&self, mut buf: Buf, most: usize) -> (io::Result<usize>, Buf) {
        match self.0.connection.receive(&self.0.core, self.0.side, most).await {
            Ok(bytes) => {
                buf.extend_from_slice(&bytes);
                (Ok(bytes.len()), buf)
            }
            Err(error) => (Err(error), buf),
        }
    }

    /// See `rt::Stream::send`.
    pub async fn send(&self, pieces: &mut VecDeque<Piece>) -> io::Result<()> {
        let _turn = Turn::take(&self.0.sending);
        while let Some(piece) = pieces.pop_front() {
            match piece {
                Piece::Bytes(bytes) => self.send_bytes(&bytes).await?,
                Piece::File(range) => self.send_file(&range).await?,
            }
        }
        Ok(())
    }

    async fn send_file(&self, range: &FileRange) -> io::Result<()> {
        let File::Sim(file) = &range.file else { unreachable!("a real file in the simulator") };
        let mut done = 0;
        while done < range.len {
            let mut chunk = vec![0; FILE_CHUNK.min(range.len - done) as usize];
            let count = file.peek(range.pos + done, &mut chunk)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.send_bytes(&chunk[..count]).await?;
            done += count as u64;
        }
        Ok(())
    }

    async fn send_bytes(&self, mut bytes: &[u8]) -> io::Result<()> {
        let End { core, connection, side, .. } = &*self.0;
        let world = core.world();
        while !bytes.is_empty() {
            let room = self.room().await?;
            if world.network.dice.ppm(world.options.net.reset_ppm) {
                connection.reset(world, *side);
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            world.note("send", now.len() as u64, u64::from(crc32c::crc32c(now)));
            connection.post(world, *side, Parcel::Bytes(now.to_vec()));
            bytes = later;
        }
        Ok(())
    }

    /// Waits until the connection can take bytes; says how many.
    async fn room(&self) -> io::Result<usize> {
        let End { core, connection, side, .. } = &*self.0;
        let bound = core.world().options.net.buffer_bytes;
        poll_fn(|cx| {
            let mut pipe = connection.outgoing(*side).borrow_mut();
            if pipe.broken {
                return Poll::Ready(Err(io::Error::from(Errno::CONNRESET)));
            }
            if pipe.ended {
                return Poll::Ready(Err(io::Error::from(Errno::PIPE)));
            }
            match pipe.room(bound) {
                0 => {
                    pipe.senders.add(cx.waker());
                    Poll::Pending
                }
                room => Poll::Ready(Ok(room)),
            }
        })
        .await
    }

    /// See `rt::Stream::shutdown_receive`.
    pub fn shutdown_receive(&self) {
        self.0.connection.stop_receiving(self.0.side);
    }

    /// See `rt::Stream::shutdown`.
    pub fn shutdown(&self) {
        self.0.connection.close(self.0.core.world(), self.0.side);
    }
}

/// Waits while a partition lies between, until the deadline.
async fn await_heal(core: &Core, host: HostId, deadline: Instant) -> io::Result<()> {
    let network = &core.world().network;
    let mut timer = pin!(core.sleep(deadline.since(core.now())));
    poll_fn(|cx| {
        if !network.are_parted(core.host().id, host) {
            return Poll::Ready(Ok(()));
        }
        network.healed.borrow_mut().add(cx.waker());
        timer.as_mut().poll(cx).map(|()| Err(io::Error::from(Errno::TIMEDOUT)))
    })
    .await
}

/// Only one task may send at a time.
struct Turn<'a>(&'a Cell<bool>);

impl Turn<'_> {
    fn take(sending: &Cell<bool>) -> Turn<'_> {
        assert!(!sending.replace(true), "two sends at once on a connection");
        Turn(sending)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
