//! Which core owns which partition.
//!
//! A new partition goes to the core with the fewest, so cores that were added fill up first. A
//! partition stays on its core for as long as that core exists; only those of vanished cores move,
//! each with a raised leader epoch, which makes clients ask anew. Nothing is copied: the host stays.

use std::collections::BTreeMap;

use super::{ClusterImage, Command, Node, Replica};
use crate::base::prng::Prng;
use crate::model::{CoreId, NodeId, PartitionId, TopicId};

/// How many replicas each core of each host owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loads(BTreeMap<NodeId, Vec<usize>>);

impl Loads {
    pub fn of(image: &ClusterImage) -> Loads {
        let cores = |node: &Node| (node.id, Loads::of_cores(image, node.id, node.cores));
        Loads(image.nodes().map(cores).collect())
    }

    fn of_cores(image: &ClusterImage, node: NodeId, cores: u16) -> Vec<usize> {
        (0..cores).map(|core| image.load(node, CoreId(core))).collect()
    }

    pub fn nodes(&self) -> usize {
        self.0.len()
    }

    /// Gives one more replica to the host's core with the fewest among those that `eligible`
    /// accepts. Equals take turns, beginning where `turn` says. `None`: no such core.
    pub fn place(
        &mut self,
        node: NodeId,
        turn: u64,
        eligible: impl Fn(CoreId) -> bool,
    ) -> Option<CoreId> {
        let cores = self.0.get_mut(&node)?;
        let count = cores.len() as u64;
        let in_turn = |core: &CoreId| (u64::from(core.0) + count - turn % count) % count;
        let core = (0..cores.len() as u16)
            .map(CoreId)
            .filter(|&core| eligible(core))
            .min_by_key(|core| (cores[core.index()], in_turn(core)))?;
        cores[core.index()] += 1;
        Some(core)
    }

    /// Replicas for a new partition on the `count` hosts with the least to do for each of their
    /// cores, the least busy leading. Empty when there are not as many hosts.
    pub fn assign(&mut self, id: TopicId, partition: PartitionId, count: usize) -> Vec<Replica> {
        let turn = turn(id, partition);
        let mut nodes: Vec<(usize, u64, NodeId)> = Vec::with_capacity(self.0.len());
        for (at, (&node, cores)) in self.0.iter().enumerate() {
            // In thousandths of a replica for each core: hosts differ in cores.
            let busy = cores.iter().sum::<usize>() * 1000 / cores.len();
            let hosts = self.0.len() as u64;
            nodes.push((busy, (at as u64 + hosts - turn % hosts) % hosts, node));
        }
        if count > nodes.len() {
            return Vec::new();
        }
        nodes.sort_unstable();
        let replica = |&(_, _, node): &(usize, u64, NodeId)| {
            let core = self.place(node, turn, |_| true).expect("a registered host has a core");
            Replica { node, core }
        };
        nodes[..count].iter().map(replica).collect()
    }
}

/// Where a partition's turn begins: neighbours follow one another, topics begin anywhere.
pub(super) fn turn(id: TopicId, partition: PartitionId) -> u64 {
    let id = u128::from_be_bytes(id.0);
    let start = Prng::new(id as u64 ^ (id >> 64) as u64).next_u64() >> 1;
    start + u64::from(partition.0.unsigned_abs())
}

/// What has to be placed anew on a host which comes up with this many cores.
pub fn plan(image: &ClusterImage, node: NodeId, cores: u16) -> Vec<Command> {
    let mut loads = Loads(BTreeMap::from([(node, Loads::of_cores(image, node, cores))]));
    let mut commands = Vec::new();
    for topic in image.topics() {
        for (number, partition) in (0..).map(PartitionId).zip(&topic.partitions) {
            let stays = partition.core_on(node).is_none_or(|core| core.0 < cores);
            if stays {
                continue;
            }
            let core = loads.place(node, turn(topic.id, number), |_| true);
            let leads = partition.leader == node;
            commands.push(Command::PlacePartition {
                id: topic.id,
                partition: number,
                node,
                core: core.expect("a host has a core"),
                leader_epoch: match leads {
                    true => partition.leader_epoch.next(),
                    false => partition.leader_epoch,
                },
            });
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Lanes;
    use crate::config::Overrides;
    use crate::config::broker::LaneCount;
    use crate::model::LeaderEpoch;

    const HOST: NodeId = NodeId(1);

    fn register(image: &mut ClusterImage, cores: u16) {
        let lanes = Lanes::plan(HOST, cores, LaneCount::Auto, 9092).expect("good lanes");
        let lanes = lanes.advertised("localhost");
        image.apply(&Command::RegisterNode(Node { id: HOST, rack: None, cores, lanes }));
    }

    fn create(image: &mut ClusterImage, name: &str, count: i32) {
        let id = TopicId([image.applied() as u8; 16]);
        let mut loads = Loads::of(image);
        let assign = |number| loads.assign(id, PartitionId(number), 1);
        let partitions = (0..count).map(assign).collect();
        let configs = Overrides::new();
        let delta =
            image.apply(&Command::CreateTopic { name: name.into(), id, partitions, configs });
        assert!(!delta.is_empty());
    }

    fn cores_of(image: &ClusterImage, name: &str) -> Vec<u16> {
        let partitions = &image.topic(name).expect(name).partitions;
        partitions.iter().map(|partition| partition.core_on(HOST).expect("here").0).collect()
    }

    fn load(image: &ClusterImage) -> Vec<usize> {
        Loads::of(image).0.remove(&HOST).expect("registered")
    }

    #[test]
    fn partitions_spread_evenly() {
        let mut image = ClusterImage::default();
        register(&mut image, 4);
        for (at, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            create(&mut image, name, 3);
            let load = load(&image);
            assert_eq!(load.iter().sum::<usize>(), 3 * (at + 1));
            assert!(load.iter().max().unwrap() - load.iter().min().unwrap() <= 1, "{load:?}");
        }
        create(&mut image, "e", 4);
        let mut cores = cores_of(&image, "e");
        let start = cores[0];
        assert!(cores.iter().zip(0..).all(|(core, step)| *core == (start + step) % 4), "{cores:?}");
        cores.sort_unstable();
        assert_eq!(cores, [0, 1, 2, 3]);
    }

    #[test]
    fn fewer_cores_move_only_what_must_move() {
        let mut image = ClusterImage::default();
        register(&mut image, 4);
        create(&mut image, "a", 8);
        let before = cores_of(&image, "a");
        assert_eq!(plan(&image, HOST, 4), []);
        register(&mut image, 3);
        let commands = plan(&image, HOST, 3);
        assert_eq!(commands.len(), 2);
        for command in &commands {
            assert!(!image.apply(command).is_empty());
        }
        assert_eq!(plan(&image, HOST, 3), []);
        let topic = image.topic("a").unwrap();
        for (number, (was, is)) in before.into_iter().zip(cores_of(&image, "a")).enumerate() {
            let moved = was == 3;
            assert_eq!(was != is, moved);
            assert_eq!(topic.partitions[number].leader_epoch, LeaderEpoch(i32::from(moved)));
        }
        assert_eq!(load(&image).iter().max(), Some(&3));
    }

    #[test]
    fn more_cores_take_what_is_new() {
        let mut image = ClusterImage::default();
        register(&mut image, 2);
        create(&mut image, "a", 8);
        let before = cores_of(&image, "a");
        register(&mut image, 4);
        assert_eq!(plan(&image, HOST, 4), []);
        create(&mut image, "b", 4);
        assert_eq!(cores_of(&image, "a"), before);
        assert_eq!(load(&image), [4, 4, 2, 2]);
    }

    #[test]
    fn another_hosts_partitions_are_not_ours_to_place() {
        let mut image = ClusterImage::default();
        register(&mut image, 4);
        create(&mut image, "a", 4);
        assert_eq!(plan(&image, NodeId(2), 1), []);
        assert_eq!(Loads::of(&image).assign(TopicId::NIL, PartitionId(0), 2), []);
    }
}
