//! Who waits for connections on a port.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use rustix::io::Errno;

use super::connection::Connection;
use super::stream::Stream;
use crate::rt::sim::core::Core;
use crate::rt::sim::op::Waiting;
use crate::rt::sim::world::World;

/// A connection that nobody has accepted yet, and the side that will.
pub(super) struct Waiter {
    pub(super) connection: Rc<Connection>,
    pub(super) side: usize,
}

/// One listening socket. Several may share an address.
pub(in crate::rt::sim) struct Port {
    pub(super) address: SocketAddr,
    shared: bool,
    core: Rc<Core>,
    backlog: RefCell<VecDeque<Waiter>>,
    acceptors: RefCell<Waiting>,
}

impl Port {
    pub(super) fn has_room(&self, bound: usize) -> bool {
        self.backlog.borrow().len() < bound
    }

    pub(super) fn enqueue(&self, waiter: Waiter) {
        self.backlog.borrow_mut().push_back(waiter);
        self.acceptors.borrow_mut().wake_all();
    }

    /// Nobody will accept those who wait.
    pub(super) fn refuse_waiting(&self, world: &Rc<World>) {
        for Waiter { connection, side } in self.backlog.take() {
            connection.reset(world, side);
        }
    }
}

pub struct Listener(Rc<Port>);

impl Listener {
    pub(in crate::rt::sim) fn bind(
        core: &Rc<Core>,
        mut address: SocketAddr,
        shared: bool,
    ) -> io::Result<Listener> {
        let host = core.host();
        let ip = address.ip();
        if !ip.is_unspecified() && !ip.is_loopback() && ip != host.address() {
            return Err(io::Error::from(Errno::ADDRNOTAVAIL));
        }
        let mut ports = core.world().network.ports.borrow_mut();
        while address.port() == 0 {
            let port = host.take_port();
            if !ports.contains_key(&(host.id, port)) {
                address.set_port(port);
            }
        }
        let others = ports.entry((host.id, address.port())).or_default();
        let clash = others.iter().any(|other| {
            let theirs = other.address.ip();
            let same = theirs == ip || theirs.is_unspecified() || ip.is_unspecified();
            same && !(shared && other.shared)
        });
        if clash {
            return Err(io::Error::from(Errno::ADDRINUSE));
        }
        let port = Rc::new(Port {
            address,
            shared,
            core: core.clone(),
            backlog: RefCell::default(),
            acceptors: RefCell::default(),
        });
        others.push(port.clone());
        Ok(Listener(port))
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.0.address
    }

    pub async fn accept(&self) -> io::Result<Stream> {
        let Waiter { connection, side } = poll_fn(|cx| {
            if let Some(next) = self.0.backlog.borrow_mut().pop_front() {
                return Poll::Ready(next);
            }
            self.0.acceptors.borrow_mut().add(cx.waker());
            Poll::Pending
        })
        .await;
        Ok(Stream::new(self.0.core.clone(), connection, side))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let world = self.0.core.world();
        let key = (self.0.core.host().id, self.0.address.port());
        {
            let mut ports = world.network.ports.borrow_mut();
            if let Some(listening) = ports.get_mut(&key) {
                listening.retain(|port| !Rc::ptr_eq(port, &self.0));
                if listening.is_empty() {
                    ports.remove(&key);
                }
            }
        }
        self.0.refuse_waiting(world);
    }
}
