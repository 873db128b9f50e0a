//! TCP listeners and connections of this core.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use super::current::{Current, with};
use super::file::FileRange;
use super::{glommio, sim};
use crate::base::buf::{Buf, Slice};

/// What a connection sends: bytes in memory, or a part of a file that never passes user space.
#[derive(Clone)]
pub enum Piece {
    Bytes(Slice),
    File(FileRange),
}

impl Piece {
    /// Bytes on the wire.
    pub fn len(&self) -> u64 {
        match self {
            Piece::Bytes(slice) => slice.len() as u64,
            Piece::File(range) => range.len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

pub enum Listener {
    Real(glommio::tcp::Listener),
    Sim(sim::Listener),
}

impl Listener {
    /// Listens on `address`; several cores may listen on one (SO_REUSEPORT) when `shared`.
    /// `backlog`: connections that may wait to be accepted.
    pub fn bind(address: SocketAddr, shared: bool, backlog: i32) -> io::Result<Listener> {
        with(|current| match current {
            Current::Real(core) => Ok(Listener::Real(core.listen(address, shared, backlog)?)),
            Current::Sim(core) => Ok(Listener::Sim(core.listen(address, shared)?)),
        })
    }

    pub fn local_addr(&self) -> SocketAddr {
        match self {
            Listener::Real(listener) => listener.local_addr(),
            Listener::Sim(listener) => listener.local_addr(),
        }
    }

    pub async fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Real(listener) => Ok(Stream::Real(listener.accept().await?)),
            Listener::Sim(listener) => Ok(Stream::Sim(listener.accept().await?)),
        }
    }
}

/// A connection. Clones share it: one task receives while another sends.
#[derive(Clone)]
pub enum Stream {
    Real(glommio::tcp::Stream),
    Sim(sim::Stream),
}

impl Stream {
    pub async fn connect(address: SocketAddr) -> io::Result<Stream> {
        let core = with(Current::clone);
        match core {
            Current::Real(core) => Ok(Stream::Real(core.connect(address).await?)),
            Current::Sim(core) => Ok(Stream::Sim(core.connect(address).await?)),
        }
    }

    pub fn peer_addr(&self) -> SocketAddr {
        match self {
            Stream::Real(stream) => stream.peer_addr(),
            Stream::Sim(stream) => stream.peer_addr(),
        }
    }

    /// Receives into the spare room of `buf` (at least one byte of it must be spare), appending.
    /// Yields the bytes received; 0 when the peer closed.
    pub async fn receive(&self, buf: Buf) -> (io::Result<usize>, Buf) {
        self.receive_most(buf, usize::MAX).await
    }

    /// The same, but at most `most` bytes.
    pub async fn receive_most(&self, buf: Buf, most: usize) -> (io::Result<usize>, Buf) {
        let most = most.min(buf.spare());
        assert!(most > 0, "no room to receive into");
        match self {
            Stream::Real(stream) => stream.receive(buf, most).await,
            Stream::Sim(stream) => stream.receive(buf, most).await,
        }
    }

    /// Sends all pieces in order and leaves the queue empty, or fails and leaves the connection
    /// unusable.
    pub async fn send(&self, pieces: &mut VecDeque<Piece>) -> io::Result<()> {
        match self {
            Stream::Real(stream) => stream.send(pieces).await,
            Stream::Sim(stream) => stream.send(pieces).await,
        }
    }

    /// Receives no more: a pending receive yields 0. What is still to be sent is sent.
    pub fn shutdown_receive(&self) {
        match self {
            Stream::Real(stream) => stream.shutdown_receive(),
            Stream::Sim(stream) => stream.shutdown_receive(),
        }
    }

    /// Ends both directions; a pending receive or send returns.
    pub fn shutdown(&self) {
        match self {
            Stream::Real(stream) => stream.shutdown(),
            Stream::Sim(stream) => stream.shutdown(),
        }
    }
}
