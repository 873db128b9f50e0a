//! TCP between the hosts: bytes arrive late, in order, in pieces of any size, or not at all.

pub(super) mod connection;
pub(super) mod listener;
mod pipe;
pub(super) mod stream;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};

use self::connection::Connection;
use self::listener::Port;
use super::core::Core;
use super::dice::Dice;
use super::host::HostId;
use super::op::Waiting;
use super::world::World;

pub(super) struct Network {
    dice: Dice,
    /// Who listens, by host and port.
    ports: RefCell<Ports>,
    connections: RefCell<BTreeMap<u64, Weak<Connection>>>,
    next: Cell<u64>,
    /// Pairs of hosts between which nothing passes; the smaller first.
    parted: RefCell<BTreeSet<(HostId, HostId)>>,
    /// Tasks that wait for any partition to heal.
    healed: RefCell<Waiting>,
}

type Ports = BTreeMap<(HostId, u16), Vec<Rc<Port>>>;

fn pair(a: HostId, b: HostId) -> (HostId, HostId) {
    (a.min(b), a.max(b))
}

impl Network {
    pub(super) fn new(dice: Dice) -> Network {
        Network {
            dice,
            ports: RefCell::default(),
            connections: RefCell::default(),
            next: Cell::new(0),
            parted: RefCell::default(),
            healed: RefCell::default(),
        }
    }

    fn are_parted(&self, a: HostId, b: HostId) -> bool {
        self.parted.borrow().contains(&pair(a, b))
    }

    pub(super) fn partition(&self, a: HostId, b: HostId) {
        self.parted.borrow_mut().insert(pair(a, b));
    }

    pub(super) fn heal(&self, world: &Rc<World>, a: HostId, b: HostId) {
        self.parted.borrow_mut().remove(&pair(a, b));
        self.healed.borrow_mut().wake_all();
        for connection in self.living() {
            connection.resume(world);
        }
    }

    fn living(&self) -> Vec<Rc<Connection>> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|_, connection| connection.strong_count() > 0);
        connections.values().filter_map(Weak::upgrade).collect()
    }

    fn register(&self, connection: &Rc<Connection>) {
        let number = self.next.replace(self.next.get() + 1);
        self.connections.borrow_mut().insert(number, Rc::downgrade(connection));
        if number.is_multiple_of(1024) {
            self.living();
        }
    }

    /// The listeners that a connection to this address may reach.
    fn listeners(&self, host: HostId, address: SocketAddr) -> Vec<Rc<Port>> {
        let ports = self.ports.borrow();
        let all = ports.get(&(host, address.port())).map(Vec::as_slice).unwrap_or_default();
        let fits = |port: &&Rc<Port>| {
            port.address.ip().is_unspecified() || port.address.ip() == address.ip()
        };
        all.iter().filter(fits).cloned().collect()
    }

    /// What a crash does to a host's connections: the peers hear of it, or not.
    pub(super) fn crash(&self, world: &Rc<World>, host: HostId, power_loss: bool) {
        let listening: Vec<_> =
            self.ports.borrow_mut().extract_if(.., |(owner, _), _| *owner == host).collect();
        for port in listening.iter().flat_map(|(_, ports)| ports) {
            port.refuse_waiting(world);
        }
        for connection in self.living() {
            let silent = power_loss && self.dice.percent(world.options.net.half_open_percent);
            for side in connection.sides_of(host) {
                if silent {
                    connection.abandon(side);
                } else if power_loss || self.dice.coin() {
                    connection.reset(world, side);
                } else {
                    connection.close(world, side);
                }
            }
        }
    }

    pub(super) fn clear(&self) {
        let ports = self.ports.take();
        self.connections.borrow_mut().clear();
        drop(ports);
    }
}

/// Which host an address means for a core.
fn host_of(core: &Core, ip: IpAddr) -> Option<HostId> {
    if ip.is_loopback() || ip.is_unspecified() {
        return Some(core.host().id);
    }
    core.world().hosts.borrow().iter().find(|host| host.address() == ip).map(|host| host.id)
}
