//! What must hold for any sequence of commands, tried with seeded random ones.

use super::controller::start_node;
use super::frame::FrameFault;
use super::journal::{self, Entries, JournalFault, replay};
use super::{ClusterImage, Command, Lanes, Node, Replica, command, snapshot};
use crate::base::prng::Prng;
use crate::config::Overrides;
use crate::config::broker::LaneCount;
use crate::model::{ClusterId, CoreId, DirectoryId, LeaderEpoch, NodeId, PartitionId, TopicId};

const SEEDS: u64 = 60;

fn below(random: &mut Prng, bound: u64) -> u64 {
    random.below(bound)
}

fn node(random: &mut Prng) -> Node {
    let id = NodeId(below(random, 3) as i32);
    let cores = 1 + below(random, 6) as u16;
    let lanes = Lanes::plan(id, cores, LaneCount::Auto, 9092).expect("good lanes");
    let rack = random.chance(1, 2).then(|| format!("rack-{}", below(random, 2)));
    Node { id, rack, cores, lanes: lanes.advertised("host") }
}

fn configs(random: &mut Prng) -> Overrides {
    let keys = ["retention.ms", "cleanup.policy", "num.partitions", "segment.bytes"];
    let count = below(random, 3);
    (0..count)
        .map(|_| {
            let key = keys[below(random, keys.len() as u64) as usize];
            (key.to_owned(), below(random, 1000).to_string())
        })
        .collect()
}

fn replicas(random: &mut Prng) -> Vec<Replica> {
    // Sometimes none and sometimes a host twice: such commands must change nothing.
    let count = if random.chance(1, 20) { 0 } else { 1 + below(random, 2) };
    let replica = |_| Replica {
        node: NodeId(below(random, 3) as i32),
        core: CoreId(below(random, 6) as u16),
    };
    (0..count).map(replica).collect()
}

fn topic_id(random: &mut Prng) -> TopicId {
    TopicId([below(random, 12) as u8; 16])
}

/// Mostly commands that fit the image, and some that do not.
fn random_command(random: &mut Prng, image: &ClusterImage) -> Command {
    let id = topic_id(random);
    let partitions: Vec<Vec<Replica>> = (0..below(random, 4)).map(|_| replicas(random)).collect();
    let known = image.topic_by_id(id);
    match below(random, 16) {
        0 => Command::FormatCluster { id: ClusterId([below(random, 3) as u8; 16]) },
        1 => Command::RegisterNode(node(random)),
        2..=4 => {
            let names = ["a", "b.c", "b_c", "d-e", "bad name", "f", "g.h_i"];
            let name = names[below(random, names.len() as u64) as usize].to_owned();
            Command::CreateTopic { name, id, partitions, configs: configs(random) }
        }
        5 => Command::DeleteTopic { id },
        6 => {
            let first = known.map_or(1, |topic| topic.partitions.len() as i32);
            let first = PartitionId(first + i32::from(random.chance(1, 8)));
            Command::AddPartitions { id, first, partitions }
        }
        7 => Command::SetTopicConfigs { id, configs: configs(random) },
        8 => {
            let node = random.chance(2, 3).then(|| NodeId(below(random, 3) as i32));
            Command::SetBrokerConfigs { node, configs: configs(random) }
        }
        9 => {
            let first = image.next_producer_id() + i64::from(random.chance(1, 8));
            Command::AllocateProducerIds { node: NodeId(1), first, count: 1000 }
        }
        10 | 11 => Command::AssignDirectories {
            id,
            node: NodeId(below(random, 3) as i32),
            first: PartitionId(below(random, 3) as i32 - i32::from(random.chance(1, 8))),
            directories: (0..below(random, 3))
                .map(|_| DirectoryId([below(random, 3) as u8; 16]))
                .collect(),
        },
        12 => Command::SetGroupConfigs {
            group: format!("g{}", below(random, 3)),
            configs: configs(random),
        },
        _ => Command::PlacePartition {
            id,
            partition: PartitionId(below(random, 4) as i32 - i32::from(random.chance(1, 8))),
            node: NodeId(below(random, 3) as i32),
            core: CoreId(below(random, 6) as u16),
            leader_epoch: LeaderEpoch(below(random, 20) as i32),
        },
    }
}

/// A history: the image after every command, the first one empty, and the journal.
fn history(seed: u64, len: u64) -> (Vec<ClusterImage>, Vec<u8>, Vec<usize>) {
    let mut random = Prng::new(seed);
    let mut image = ClusterImage::default();
    let (mut images, mut journal, mut starts) = (vec![image.clone()], Vec::new(), Vec::new());
    for index in 1..=len {
        let command = random_command(&mut random, &image);
        starts.push(journal.len());
        journal.extend(command::encode(index, &command));
        let before = image.clone();
        let delta = image.apply(&command);
        check(&image);
        if delta.is_empty() {
            let same = ClusterImage { applied: index, ..before };
            assert_eq!(image, same, "seed {seed}: {command:?} changed what its delta hides");
        }
        images.push(image.clone());
    }
    (images, journal, starts)
}

/// What holds in every image.
fn check(image: &ClusterImage) {
    let partitions: usize = image.topics().map(|topic| topic.partitions.len()).sum();
    assert_eq!(image.partition_count(), partitions);
    assert_eq!(image.topics().count(), image.topic_count());
    for topic in image.topics() {
        assert_eq!(image.topic_by_id(topic.id), Some(topic));
        assert!(!topic.partitions.is_empty());
        for partition in &topic.partitions {
            assert!(partition.core_on(partition.leader).is_some());
            assert_eq!(partition.isr.len(), partition.replicas.len());
        }
    }
    for (node, core) in (0..3).flat_map(|node| (0..8).map(move |core| (NodeId(node), CoreId(core))))
    {
        let partitions = image.topics().flat_map(|topic| &topic.partitions);
        let owned = partitions.filter(|partition| partition.core_on(node) == Some(core));
        assert_eq!(image.load(node, core), owned.count());
    }
    for (node, lane) in image.brokers() {
        assert_eq!(image.broker(lane.broker), Some((node, lane)));
    }
}

#[test]
fn a_snapshot_and_the_rest_of_the_journal_is_the_same_as_the_journal() {
    for seed in 0..SEEDS {
        let (images, journal, starts) = history(seed, 120);
        let last = images.last().expect("there is the empty one");
        let mut replayed = ClusterImage::default();
        let outcome = replay(&mut replayed, &journal).expect("a good journal");
        assert_eq!((outcome.commands, outcome.kept), (120, journal.len()));
        assert_eq!(&replayed, last, "seed {seed}");

        let mut random = Prng::new(seed);
        let at = below(&mut random, 121) as usize;
        let bytes = snapshot::encode(&images[at]);
        let image = snapshot::decode(&bytes).expect("a good snapshot");
        assert_eq!(image, images[at], "seed {seed} at {at}");
        // The journal may begin anywhere up to the snapshot.
        for from in [0, at / 2, at] {
            let mut image = image.clone();
            let bytes = &journal[starts.get(from).copied().unwrap_or(journal.len())..];
            let outcome = replay(&mut image, bytes).expect("a good journal");
            assert_eq!(outcome.commands, 120 - at as u64, "seed {seed} from {from}");
            assert_eq!(&image, last, "seed {seed} from {from}");
        }
        if let Some(&late) = starts.get(at + 1) {
            let fault = replay(&mut image.clone(), &journal[late..]);
            let (expected, found) = (at as u64 + 1, at as u64 + 2);
            assert_eq!(fault, Err(JournalFault::Gap { at: 0, expected, found }));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in 0..5 {
        let (first, second) = (history(seed, 100), history(seed, 100));
        assert_eq!(first.1, second.1);
        assert_eq!(snapshot::encode(&first.0[100]), snapshot::encode(&second.0[100]));
    }
}

#[test]
fn a_cut_journal_gives_its_whole_frames_and_tells_where_it_was_cut() {
    let (images, journal, starts) = history(1, 30);
    let edges: Vec<usize> = starts.into_iter().chain([journal.len()]).collect();
    for cut in 0..=journal.len() {
        let mut image = ClusterImage::default();
        let outcome = replay(&mut image, &journal[..cut]).expect("a torn end is no fault");
        let whole = edges.iter().filter(|&&edge| edge <= cut).count() - 1;
        assert_eq!(outcome.commands as usize, whole, "cut at {cut}");
        assert_eq!(outcome.kept, edges[whole], "cut at {cut}");
        assert_eq!(image, images[outcome.commands as usize]);
    }
}

#[test]
fn of_a_torn_write_of_several_commands_what_is_whole_before_the_tear_stays() {
    const SECTOR: usize = 512;
    let (images, journal, _) = history(4, 20);
    let mut random = Prng::new(4);
    let mut image = images[20].clone();
    let commands: Vec<Command> = (0..12)
        .map(|_| {
            let command = random_command(&mut random, &image);
            image.apply(&command);
            command
        })
        .collect();
    let write = journal::encode(21, &commands);
    for _ in 0..300 {
        let mut torn = [&journal[..], &write[..]].concat();
        let lost = |random: &mut Prng| random.chance(1, 3);
        for start in (journal.len() / SECTOR * SECTOR..torn.len()).step_by(SECTOR) {
            if lost(&mut random) {
                let end = (start + SECTOR).min(torn.len());
                torn[start.max(journal.len())..end].fill(0);
            }
        }
        let mut image = ClusterImage::default();
        let outcome = replay(&mut image, &torn).expect("a torn write is no fault");
        assert!((20..=32).contains(&outcome.commands));
        assert_eq!(torn[..outcome.kept], [&journal[..], &write[..]].concat()[..outcome.kept]);
    }
}

#[test]
fn a_tail_of_zeros_or_rubbish_is_a_torn_end() {
    let (images, journal, _) = history(2, 20);
    let mut random = Prng::new(2);
    for round in 0..50 {
        let mut torn = journal.clone();
        let mut tail = vec![0; 1 + below(&mut random, 300) as usize];
        if round % 2 == 1 {
            random.fill(&mut tail);
        }
        torn.extend(tail);
        let mut image = ClusterImage::default();
        let outcome = replay(&mut image, &torn).expect("a torn end is no fault");
        assert_eq!(outcome.kept, journal.len());
        assert_eq!(image, images[20]);
    }
}

#[test]
fn every_flipped_bit_of_a_journal_is_noticed() {
    let (images, journal, starts) = history(3, 12);
    for bit in 0..journal.len() * 8 {
        let mut flipped = journal.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let frame = starts.iter().filter(|&&start| start <= bit / 8).count() - 1;
        let mut image = ClusterImage::default();
        match replay(&mut image, &flipped) {
            // In the last frame damage looks like a torn end.
            Ok(outcome) => {
                assert_eq!(frame, starts.len() - 1, "bit {bit}");
                assert_eq!(outcome.kept, starts[frame], "bit {bit}");
            }
            Err(JournalFault::Corrupt { at, good_at, .. }) => {
                assert_eq!(at, starts[frame], "bit {bit}");
                assert_eq!(good_at, Some(starts[frame + 1]), "bit {bit}");
            }
            Err(fault) => panic!("bit {bit}: {fault}"),
        }
        assert_eq!(image, images[frame], "bit {bit}: nothing behind the damage counts");
    }
}

#[test]
fn frames_swapped_lost_or_doubled_are_noticed() {
    let (_, journal, starts) = history(4, 6);
    let frame = |number: usize| {
        let end = starts.get(number + 1).copied().unwrap_or(journal.len());
        &journal[starts[number]..end]
    };
    for order in [&[0, 2, 1][..], &[0, 1, 3], &[0, 1, 1, 2], &[1, 2], &[0, 1, 0]] {
        let bytes: Vec<u8> = order.iter().flat_map(|&number| frame(number).to_vec()).collect();
        let fault = replay(&mut ClusterImage::default(), &bytes);
        assert!(matches!(fault, Err(JournalFault::Gap { .. })), "{order:?}: {fault:?}");
    }
}

#[test]
fn every_damaged_snapshot_is_refused() {
    let images: Vec<ClusterImage> = (0..SEEDS).flat_map(|seed| history(seed, 60).0).collect();
    let says = |image: &&ClusterImage| image.topics().any(|t| !t.directories.is_empty());
    // One with directories, and one without.
    let with = images.iter().rev().find(says).expect("an image with directories");
    let without = images.iter().rev().find(|image| !says(image) && image.topic_count() > 0);
    refuse_damaged(&snapshot::encode(with));
    refuse_damaged(&snapshot::encode(without.expect("an image without")));
}

fn refuse_damaged(bytes: &[u8]) {
    for len in 0..bytes.len() {
        assert!(snapshot::decode(&bytes[..len]).is_err(), "cut at {len}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(snapshot::decode(&flipped).is_err(), "bit {bit}");
    }
    let longer = [bytes, &[0]].concat();
    assert!(matches!(snapshot::decode(&longer), Err(FrameFault::Payload(_))));
}

/// The checksum is no defence against whoever can write one: the archive is checked by itself.
#[test]
fn a_damaged_archive_under_a_good_checksum_never_panics() {
    let mut random = Prng::new(6);
    let (images, journal, starts) = history(6, 40);
    let whole = snapshot::encode(&images[40]);
    for _ in 0..4000 {
        let start = starts[below(&mut random, starts.len() as u64) as usize];
        let frame = super::frame::open(super::frame::COMMAND, &journal[start..], 1 << 20).unwrap();
        let mut payload = frame.payload.to_vec();
        damage(&mut random, &mut payload);
        let sealed = super::frame::seal(super::frame::COMMAND, 1, false, &payload);
        let mut image = images[40].clone();
        for entry in Entries::new(&sealed).flatten() {
            image.apply(&entry.command);
        }
        let mut payload = whole[super::frame::HEADER_LEN..].to_vec();
        damage(&mut random, &mut payload);
        let sealed = super::frame::seal(super::frame::SNAPSHOT, 40, false, &payload);
        if let Ok(image) = snapshot::decode(&sealed) {
            snapshot::encode(&image);
        }
    }
}

fn damage(random: &mut Prng, bytes: &mut Vec<u8>) {
    for _ in 0..=below(random, 3) {
        let at = below(random, bytes.len() as u64) as usize;
        bytes[at] = random.next_u64() as u8;
    }
    if random.chance(1, 4) {
        bytes.truncate(below(random, bytes.len() as u64 + 1) as usize);
        bytes.push(0);
    }
}

#[test]
fn a_host_that_starts_again_writes_only_what_changed() {
    let mut random = Prng::new(7);
    let mut image = ClusterImage::default();
    let at = |cores| {
        let lanes = Lanes::plan(NodeId(1), cores, LaneCount::Auto, 9092).expect("good lanes");
        Node { id: NodeId(1), rack: None, cores, lanes: lanes.advertised("host") }
    };
    for command in start_node(&image, at(4), &mut random) {
        assert!(!image.apply(&command).is_empty());
    }
    assert!(image.is_formatted());
    assert_eq!(start_node(&image, at(4), &mut random), []);
    assert_eq!(start_node(&image, at(2), &mut random), [Command::RegisterNode(at(2))]);
}
