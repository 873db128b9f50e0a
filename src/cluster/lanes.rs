//! Cores as brokers: which lanes a host presents, on which ports, and whose core is whose.
//!
//! Lane l of node n is broker n * 1000 + l on the base port plus l. Core c belongs to lane c modulo
//! the number of lanes. Everything that counts copies counts hosts, never lanes.

use std::fmt;

use super::Lane;
use crate::config::broker::LaneCount;
use crate::config::limits::{BROKER_IDS_PER_NODE, CORES_MAX, LANES_MAX, NODE_ID_MAX};
use crate::model::{BrokerId, CoreId, LaneId, NodeId};

/// Lanes which `auto` makes at most: some clients run a thread for each broker they see.
const AUTO_MAX: u16 = 8;

/// The lanes of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    node: NodeId,
    cores: u16,
    count: u16,
    base_port: u16,
}

/// Why a host cannot have the lanes that its settings ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LanesFault {
    Node(NodeId),
    Cores(u16),
    /// The last lane's port would be beyond 65535.
    Ports {
        base_port: u16,
        lanes: u16,
    },
}

impl fmt::Display for LanesFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LanesFault::Node(node) => write!(f, "node id {node} is not from 0 to {NODE_ID_MAX}"),
            LanesFault::Cores(cores) => write!(f, "{cores} cores are not from 1 to {CORES_MAX}"),
            LanesFault::Ports { base_port, lanes } => {
                write!(f, "{lanes} lanes from port {base_port} on go beyond port 65535")
            }
        }
    }
}

impl std::error::Error for LanesFault {}

impl Lanes {
    /// With base port 0 every lane's port is 0: whoever listens learns the port then.
    pub fn plan(
        node: NodeId,
        cores: u16,
        setting: LaneCount,
        base_port: u16,
    ) -> Result<Lanes, LanesFault> {
        if !(0..=NODE_ID_MAX).contains(&node.0) {
            return Err(LanesFault::Node(node));
        }
        if !(1..=CORES_MAX).contains(&cores) {
            return Err(LanesFault::Cores(cores));
        }
        let wanted = match setting {
            LaneCount::Auto => AUTO_MAX,
            LaneCount::UpTo(count) => count.clamp(1, LANES_MAX),
        };
        let count = wanted.min(cores);
        if base_port != 0 && base_port.checked_add(count - 1).is_none() {
            return Err(LanesFault::Ports { base_port, lanes: count });
        }
        Ok(Lanes { node, cores, count, base_port })
    }

    pub fn count(&self) -> u16 {
        self.count
    }

    pub fn ids(&self) -> impl Iterator<Item = LaneId> + use<> {
        (0..self.count).map(LaneId)
    }

    pub fn broker_id(&self, lane: LaneId) -> BrokerId {
        assert!(lane.0 < self.count);
        broker_id(self.node, lane)
    }

    pub fn port(&self, lane: LaneId) -> u16 {
        assert!(lane.0 < self.count);
        if self.base_port == 0 { 0 } else { self.base_port + lane.0 }
    }

    pub fn lane_of(&self, core: CoreId) -> LaneId {
        lane_of(core, usize::from(self.count))
    }

    /// The cores that listen for a lane.
    pub fn cores_of(&self, lane: LaneId) -> impl Iterator<Item = CoreId> + use<> {
        (lane.0..self.cores).step_by(usize::from(self.count)).map(CoreId)
    }

    /// As the host registers them.
    pub fn advertised(&self, host: &str) -> Vec<Lane> {
        let lane = |lane| Lane {
            broker: self.broker_id(lane),
            host: host.to_owned(),
            port: self.port(lane),
        };
        self.ids().map(lane).collect()
    }
}

pub fn broker_id(node: NodeId, lane: LaneId) -> BrokerId {
    BrokerId(node.0 * BROKER_IDS_PER_NODE + i32::from(lane.0))
}

/// The host behind a broker id, registered or not.
pub fn node_of(broker: BrokerId) -> NodeId {
    NodeId(broker.0.div_euclid(BROKER_IDS_PER_NODE))
}

/// Which of `lanes` lanes a core belongs to.
pub fn lane_of(core: CoreId, lanes: usize) -> LaneId {
    assert!(lanes > 0, "a host has a lane");
    LaneId((core.index() % lanes) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_follow_cores_and_the_setting() {
        let check = |cores, setting, expect| {
            let lanes = Lanes::plan(NodeId(2), cores, setting, 9092).expect("good lanes");
            assert_eq!(lanes.count(), expect, "{cores} {setting:?}");
            let mut owned: Vec<CoreId> = Vec::new();
            for lane in lanes.ids() {
                assert_eq!(lanes.broker_id(lane), BrokerId(2000 + i32::from(lane.0)));
                assert_eq!(lanes.port(lane), 9092 + lane.0);
                assert_eq!(node_of(lanes.broker_id(lane)), NodeId(2));
                for core in lanes.cores_of(lane) {
                    assert_eq!(lanes.lane_of(core), lane);
                    owned.push(core);
                }
            }
            owned.sort();
            assert!(owned.into_iter().eq((0..cores).map(CoreId)), "every core has one lane");
        };
        check(1, LaneCount::Auto, 1);
        check(6, LaneCount::Auto, 6);
        check(32, LaneCount::Auto, 8);
        check(32, LaneCount::UpTo(1), 1);
        check(32, LaneCount::UpTo(32), 32);
        check(4, LaneCount::UpTo(64), 4);
        check(5, LaneCount::UpTo(3), 3);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let plan = |node, cores, port| Lanes::plan(NodeId(node), cores, LaneCount::Auto, port);
        assert_eq!(plan(-1, 1, 1), Err(LanesFault::Node(NodeId(-1))));
        assert_eq!(plan(i32::MAX, 1, 1), Err(LanesFault::Node(NodeId(i32::MAX))));
        assert_eq!(plan(1, 0, 1), Err(LanesFault::Cores(0)));
        let ports = LanesFault::Ports { base_port: 65_534, lanes: 3 };
        assert_eq!(plan(1, 3, 65_534), Err(ports));
        let lanes = plan(1, 3, 65_533).expect("just fits");
        assert_eq!(lanes.port(LaneId(2)), 65_535);
        assert_eq!(plan(1, 3, 0).expect("any ports").port(LaneId(2)), 0);
        assert_eq!(node_of(BrokerId(-1)), NodeId(-1));
    }
}
