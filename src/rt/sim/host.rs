//! A virtual machine: an address, a disk that outlives its processes, a wall clock of its own.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use super::core::Core;
use super::disk::Disk;

/// 2025-01-01T00:00:00Z: when every simulation begins.
const EPOCH_MS: i64 = 1_735_689_600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub(super) usize);

pub(super) struct Host {
    pub(super) id: HostId,
    pub(super) name: String,
    pub(super) disk: Rc<Disk>,
    /// False between a power cut and the next start.
    pub(super) powered: Cell<bool>,
    /// What the wall clock is ahead of virtual time.
    pub(super) clock_offset_ms: Cell<i64>,
    /// Where tasks run that a test spawns on this host, apart from what it starts.
    pub(super) shell: RefCell<Option<Rc<Core>>>,
    next_port: Cell<u16>,
}

impl Host {
    pub(super) fn new(id: HostId, name: &str, disk: Disk) -> Host {
        Host {
            id,
            name: name.to_owned(),
            disk: Rc::new(disk),
            powered: Cell::new(true),
            clock_offset_ms: Cell::new(0),
            shell: RefCell::new(None),
            next_port: Cell::new(32_768),
        }
    }

    pub(super) fn address(&self) -> IpAddr {
        address_of(self.id)
    }

    pub(super) fn unix_ms(&self, now: u64) -> i64 {
        EPOCH_MS + (now / 1_000_000) as i64 + self.clock_offset_ms.get()
    }

    /// A port for a connection or a listener that asked for none in particular.
    pub(super) fn take_port(&self) -> u16 {
        let port = self.next_port.get();
        self.next_port.set(if port == u16::MAX { 32_768 } else { port + 1 });
        port
    }
}

fn address_of(id: HostId) -> IpAddr {
    let number = u32::try_from(id.0).expect("few hosts");
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | (number + 1)))
}
