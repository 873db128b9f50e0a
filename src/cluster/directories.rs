//! In which data directory of a host a partition lies: where a new one goes, and what is to be made of
//! the files that a start finds. Pure: whoever knows the disks asks.

use super::{ClusterImage, Command};
use crate::base::planted;
use crate::config::Overrides;
use crate::model::{DirectoryId, NodeId, PartitionId, TopicId};

/// A directory that takes new partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taker {
    pub id: DirectoryId,
    pub free_bytes: u64,
    /// Partitions that it has.
    pub partitions: usize,
}

/// Of how many directories are told to be alike: those with at least so much of the largest space.
const ALIKE_PERCENT: u64 = 90;

/// Where most space is free, and where the fewest partitions are among those with about as much. It
/// counts as filled with `weight` bytes from then on.
pub fn choose(takers: &mut [Taker], weight: u64) -> Option<DirectoryId> {
    let most = takers.iter().map(|taker| taker.free_bytes).max()?;
    let alike = takers.iter_mut().filter(|t| t.free_bytes >= most / 100 * ALIKE_PERCENT);
    let chosen = alike.min_by_key(|taker| taker.partitions)?;
    chosen.free_bytes = chosen.free_bytes.saturating_sub(weight);
    chosen.partitions += 1;
    Some(chosen.id)
}

/// The partitions that a host's directories have, in their order.
pub fn count(image: &ClusterImage, node: NodeId, directories: &[DirectoryId]) -> Vec<usize> {
    let mut counts = vec![0; directories.len()];
    let held = image.topics().filter_map(|topic| topic.directories.get(&node)).flatten();
    for id in held {
        if let Some(at) = directories.iter().position(|directory| directory == id) {
            counts[at] += 1;
        }
    }
    counts
}

/// Chooses for the partitions that these commands create on a host, unless they say themselves where those
/// lie (what is taken over lies somewhere). `weigh`: the bytes to expect of a partition with these settings.
pub fn assign(
    image: &ClusterImage,
    node: NodeId,
    commands: &[Command],
    mut takers: Vec<Taker>,
    weigh: impl Fn(&Overrides) -> u64,
) -> Vec<Command> {
    const NOTHING_SET: &Overrides = &Overrides::new();
    let mut assigned = Vec::new();
    let is_placed = |topic: TopicId| {
        let places = |command: &Command| {
            matches!(command, Command::AssignDirectories { id, node: on, .. }
                if *id == topic && *on == node)
        };
        commands.iter().any(places)
    };
    for command in commands {
        let (id, first, partitions, configs) = match command {
            Command::CreateTopic { id, partitions, configs, .. } => {
                (*id, PartitionId(0), partitions, configs)
            }
            Command::AddPartitions { id, first, partitions } => {
                let topic = image.topic_by_id(*id);
                (*id, *first, partitions, topic.map_or(NOTHING_SET, |topic| &topic.configs))
            }
            _ => continue,
        };
        if is_placed(id) {
            continue;
        }
        let weight = weigh(configs);
        let here = |replicas: &Vec<super::Replica>| replicas.iter().any(|it| it.node == node);
        let mut place = |replicas| match here(replicas) {
            true => choose(&mut takers, weight).unwrap_or(DirectoryId::NIL),
            false => DirectoryId::NIL,
        };
        let directories: Vec<DirectoryId> = partitions.iter().map(&mut place).collect();
        if directories.iter().any(|id| !id.is_nil()) {
            assigned.push(Command::AssignDirectories { id, node, first, directories });
        }
    }
    assigned
}

/// What lies on disk of one partition: the directories that have it, and those that have a copy in the
/// making (Kafka: the future replica).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub whole: Vec<DirectoryId>,
    pub future: Vec<DirectoryId>,
}

/// The directories of a host at a start.
#[derive(Clone, Debug, Default)]
pub struct Present {
    pub online: Vec<DirectoryId>,
    /// Some of those that were named cannot be used, and may be any that is not online.
    pub some_offline: bool,
}

/// Where a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// Where it belongs; or it will be made there, where nothing is yet.
    AtHome,
    /// Nobody has chosen, and nothing is there.
    New,
    /// There, and nobody has written that down: it came from elsewhere, or was moved by hand.
    Strayed(DirectoryId),
    /// It was about to take its place there, as was decided; whatever else there is of it is older.
    Arriving,
    /// Its directory is not here: nothing else may be taken for it.
    Away,
    /// In two directories, and nobody knows which one is good.
    Twice(DirectoryId, DirectoryId),
    /// Only a copy in the making, and nobody knows whether it was complete.
    Half(DirectoryId),
}

/// `assigned`: what is written down.
pub fn locate(assigned: DirectoryId, found: &Found, present: &Present) -> Whereabouts {
    let is_online = present.online.contains(&assigned);
    if is_online && found.whole.contains(&assigned) {
        return Whereabouts::AtHome;
    }
    if is_online && found.future.contains(&assigned) {
        return Whereabouts::Arriving;
    }
    if !assigned.is_nil() && !is_online && present.some_offline {
        return match planted::is("make-anew-what-is-missing") {
            true => Whereabouts::New,
            false => Whereabouts::Away,
        };
    }
    match (&found.whole[..], &found.future[..]) {
        (&[only], _) => Whereabouts::Strayed(only),
        (&[one, other, ..], _) => Whereabouts::Twice(one, other),
        ([], _) if is_online => Whereabouts::AtHome,
        ([], _) if !assigned.is_nil() && !planted::is("make-anew-what-is-missing") => {
            Whereabouts::Away
        }
        ([], &[future, ..]) => Whereabouts::Half(future),
        ([], []) => Whereabouts::New,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Replica;
    use crate::model::CoreId;

    const GIB: u64 = 1 << 30;

    fn id(number: u8) -> DirectoryId {
        DirectoryId([number; 16])
    }

    fn taker(number: u8, free_bytes: u64, partitions: usize) -> Taker {
        Taker { id: id(number), free_bytes, partitions }
    }

    #[test]
    fn new_partitions_go_where_space_is_and_spread_over_what_is_alike() {
        let check = |mut takers: Vec<Taker>, count: usize, expect: &[usize]| {
            let before: Vec<usize> = takers.iter().map(|taker| taker.partitions).collect();
            for _ in 0..count {
                choose(&mut takers, GIB).expect("somewhere");
            }
            let came = takers.iter().zip(before).map(|(taker, before)| taker.partitions - before);
            assert_eq!(came.collect::<Vec<_>>(), expect);
        };
        check(vec![taker(1, 10 * GIB, 0), taker(2, 100 * GIB, 9)], 4, &[0, 4]);
        check(vec![taker(1, 100 * GIB, 0), taker(2, 100 * GIB, 0)], 10, &[5, 5]);
        check(vec![taker(1, 95 * GIB, 3), taker(2, 100 * GIB, 0)], 5, &[1, 4]);
        // What is placed in one request counts: it does not all go to the larger one.
        check(vec![taker(1, 100 * GIB, 0), taker(2, 150 * GIB, 0)], 100, &[29, 71]);
        // Small and full disks: by their number.
        check(vec![taker(1, 5, 0), taker(2, 7, 0), taker(3, 0, 0)], 9, &[3, 3, 3]);
        assert_eq!(choose(&mut [], GIB), None);
    }

    #[test]
    fn what_is_taken_over_stays_where_it_lies() {
        let node = NodeId(1);
        let (theirs, new) = (TopicId([1; 16]), TopicId([2; 16]));
        let create = |id, name: &str| Command::CreateTopic {
            name: name.to_owned(),
            id,
            partitions: vec![vec![Replica { node, core: CoreId(0) }]; 2],
            configs: Overrides::new(),
        };
        let found = Command::AssignDirectories {
            id: theirs,
            node,
            first: PartitionId(0),
            directories: vec![id(2), id(1)],
        };
        let commands = [create(theirs, "theirs"), create(new, "new"), found];
        let takers = vec![taker(1, GIB, 0), taker(2, GIB, 0)];
        let assigned = assign(&ClusterImage::default(), node, &commands, takers, |_| 0);
        let chosen = Command::AssignDirectories {
            id: new,
            node,
            first: PartitionId(0),
            directories: vec![id(1), id(2)],
        };
        assert_eq!(assigned, [chosen]);
    }

    #[test]
    fn files_are_where_they_belong_or_nothing_else_is_taken_for_them() {
        let both = Present { online: vec![id(1), id(2)], some_offline: false };
        let one = Present { online: vec![id(1)], some_offline: false };
        let one_failing = Present { some_offline: true, ..one.clone() };
        let check = |assigned, whole: &[u8], future: &[u8], present: &Present, expect| {
            let ids = |numbers: &[u8]| numbers.iter().map(|&number| id(number)).collect();
            let found = Found { whole: ids(whole), future: ids(future) };
            let told = locate(assigned, &found, present);
            assert_eq!(told, expect, "{assigned:?} {whole:?} {future:?} {present:?}");
        };
        let nil = DirectoryId::NIL;
        check(id(1), &[1], &[], &both, Whereabouts::AtHome);
        check(id(1), &[1], &[2], &both, Whereabouts::AtHome);
        check(id(1), &[1, 2], &[], &both, Whereabouts::AtHome);
        check(id(1), &[], &[], &both, Whereabouts::AtHome);
        check(id(2), &[1], &[2], &both, Whereabouts::Arriving);
        check(id(2), &[], &[2], &both, Whereabouts::Arriving);
        check(id(2), &[1], &[], &both, Whereabouts::Strayed(id(1)));
        check(nil, &[1], &[], &both, Whereabouts::Strayed(id(1)));
        check(nil, &[1], &[2], &both, Whereabouts::Strayed(id(1)));
        check(nil, &[], &[], &both, Whereabouts::New);
        check(nil, &[], &[2], &both, Whereabouts::Half(id(2)));
        check(nil, &[1, 2], &[], &both, Whereabouts::Twice(id(1), id(2)));
        // The directory is not here: never made anew elsewhere.
        check(id(2), &[], &[], &one_failing, Whereabouts::Away);
        check(id(2), &[], &[], &one, Whereabouts::Away);
        check(id(2), &[], &[1], &one, Whereabouts::Away);
        // What was copied by hand from a disk that is not named any more is good; from one that only
        // fails, it may be older.
        check(id(2), &[1], &[], &one, Whereabouts::Strayed(id(1)));
        check(id(2), &[1], &[], &one_failing, Whereabouts::Away);
    }
}
