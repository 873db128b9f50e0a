//! Sockets through the side ring. Bytes in memory leave by vectored sends, file ranges by splices.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use super::super::file::File;
use super::super::ring::{Keep, Ring};
use super::super::tcp::Piece;
use super::{Core, splice};
use crate::base::buf::Buf;

/// Sends below this many bytes are cheaper copied than pinned and notified.
const ZERO_COPY_BYTES: usize = 32 << 10;
/// Slices one vectored send carries (IOV_MAX is 1024).
const SLICES_MAX: usize = 256;

pub struct Listener {
    fd: Rc<OwnedFd>,
    ring: Rc<Ring>,
    local: SocketAddr,
}

impl Core {
    pub(in crate::rt) fn listen(
        &self,
        address: SocketAddr,
        shared: bool,
        backlog: i32,
    ) -> io::Result<Listener> {
        let fd = socket(address)?;
        sockopt::set_socket_reuseaddr(&fd, true)?;
        sockopt::set_socket_reuseport(&fd, shared)?;
        net::bind(&fd, &address)?;
        net::listen(&fd, backlog)?;
        let local = net::getsockname(&fd)?;
        let local = SocketAddr::try_from(local).map_err(io::Error::from)?;
        Ok(Listener { fd: Rc::new(fd), ring: self.ring.clone(), local })
    }

    pub(in crate::rt) async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        let fd = Rc::new(socket(address)?);
        let target = address;
        let clone = fd.try_clone()?;
        super::blocking(move || net::connect(&clone, &target)).await?;
        Stream::new(fd, self.ring.clone(), address)
    }
}

fn socket(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    Ok(net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

impl Listener {
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    pub async fn accept(&self) -> io::Result<Stream> {
        let (result, _) = self.ring.accept(&self.fd).await;
        let fd = Rc::new(super::super::ring::adopt_descriptor(result?));
        let peer = net::getpeername(&fd)?.map(SocketAddr::try_from);
        let Some(Ok(peer)) = peer else { return Err(io::ErrorKind::NotConnected.into()) };
        Stream::new(fd, self.ring.clone(), peer)
    }
}

struct Connection {
    fd: Rc<OwnedFd>,
    ring: Rc<Ring>,
    peer: SocketAddr,
    /// False once the kernel said that it copied a zero-copy send.
    zero_copy: Rc<Cell<bool>>,
}

#[derive(Clone)]
pub struct Stream(Rc<Connection>);

impl Stream {
    fn new(fd: Rc<OwnedFd>, ring: Rc<Ring>, peer: SocketAddr) -> io::Result<Stream> {
        sockopt::set_tcp_nodelay(&fd, true)?;
        // The loopback device copies every zero-copy send (measured: slower than a plain one).
        let zero_copy = Rc::new(Cell::new(!peer.ip().is_loopback()));
        Ok(Stream(Rc::new(Connection { fd, ring, peer, zero_copy })))
    }

    pub fn peer_addr(&self) -> SocketAddr {
        self.0.peer
    }

    /// Whether large sends may go out without a copy; the kernel's own report turns it off.
    pub fn set_zero_copy(&self, armed: bool) {
        self.0.zero_copy.set(armed);
    }

    pub fn zero_copy(&self) -> bool {
        self.0.zero_copy.get()
    }

    pub async fn receive(&self, buf: Buf, most: usize) -> (io::Result<usize>, Buf) {
        let mut buf = buf;
        loop {
            let (result, keep) = self.0.ring.receive(&self.0.fd, buf, most).await;
            let Keep::Buf(back) = keep else { unreachable!("a receive keeps its buffer") };
            buf = back;
            match result {
                Ok(count) => {
                    buf.set_len(buf.len() + count as usize);
                    return (Ok(count as usize), buf);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (Err(error), buf),
            }
        }
    }

    pub async fn send(&self, pieces: &mut VecDeque<Piece>) -> io::Result<()> {
        while let Some(first) = pieces.front() {
            match first {
                Piece::Bytes(_) => self.send_bytes(pieces).await?,
                Piece::File(range) => {
                    let File::Real(file) = range.file.clone() else {
                        unreachable!("a simulated file on a real socket")
                    };
                    let (pos, len) = (range.pos, range.len);
                    pieces.pop_front();
                    let fd = &self.0.fd;
                    let more = !pieces.is_empty();
                    let reader = file.reader(fd.as_raw_fd() as u64);
                    splice::send_range(reader, fd, pos, len, more).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends the run of byte pieces at the front.
    async fn send_bytes(&self, pieces: &mut VecDeque<Piece>) -> io::Result<()> {
        let ring = &self.0.ring;
        let mut head = ring.send_head();
        while head.slices.len() < SLICES_MAX {
            match pieces.pop_front() {
                Some(Piece::Bytes(slice)) if slice.is_empty() => {}
                Some(Piece::Bytes(slice)) => head.slices.push(slice),
                Some(file) => {
                    pieces.push_front(file);
                    break;
                }
                None => break,
            }
        }
        let more = !pieces.is_empty();
        while !head.slices.is_empty() {
            let total: usize = head.slices.iter().map(|slice| slice.len()).sum();
            let zero_copy =
                (total >= ZERO_COPY_BYTES && self.0.zero_copy.get()).then_some(&self.0.zero_copy);
            // The head of a zero-copy send stays with the kernel: keep the slices for a short one.
            let kept = zero_copy.map(|_| head.slices.clone());
            let (result, keep) = ring.send(&self.0.fd, head, more, zero_copy).await;
            head = match (keep, kept) {
                (Keep::Send(back), _) => back,
                (_, kept) => {
                    let mut fresh = ring.send_head();
                    fresh.slices = kept.unwrap_or_default();
                    fresh
                }
            };
            match result {
                Ok(sent) if sent as usize == total => break,
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => cut(&mut head.slices, sent as usize),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        ring.recycle(head);
        Ok(())
    }

    pub fn shutdown_receive(&self) {
        // ENOTCONN: the peer was faster.
        let _ = net::shutdown(&self.0.fd, net::Shutdown::Read);
    }

    pub fn shutdown(&self) {
        // ENOTCONN: the peer was faster.
        let _ = net::shutdown(&self.0.fd, net::Shutdown::Both);
    }
}

/// Drops the first `sent` bytes of a list of slices.
fn cut(slices: &mut Vec<crate::base::buf::Slice>, mut sent: usize) {
    let mut whole = 0;
    while whole < slices.len() && sent >= slices[whole].len() {
        sent -= slices[whole].len();
        whole += 1;
    }
    slices.drain(..whole);
    if let Some(first) = slices.first_mut() {
        first.advance(sent);
    }
}
