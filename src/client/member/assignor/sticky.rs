//! The sticky assignor of cooperative groups (KIP-429): as even as the subscriptions allow, each
//! member keeps what it has where that is even, and what changes hands is first given up: it goes
//! to nobody until its owner has rejoined without it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Assignments, Place, Wish};

pub fn assign(members: &[Wish], partitions: &BTreeMap<String, usize>) -> Assignments {
    let owners = owners(members, partitions);
    let mut sharing = Sharing::new(members, partitions);
    for (place, &member) in &owners {
        sharing.give(place, member);
    }
    for place in sharing.homeless() {
        sharing.give_to_least(&place);
    }
    sharing.level();
    let mut assignments = Assignments::new();
    for (member, wish) in members.iter().enumerate() {
        let places = sharing.places[member].iter();
        let keeps = |place: &&Place| owners.get(*place).is_none_or(|&owner| owner == member);
        assignments.insert(wish.member.clone(), places.filter(keeps).cloned().collect());
    }
    assignments
}

/// Who rightly has a partition: the one of those that say so whose generation is the latest. Where
/// two are equally late nobody can be believed.
fn owners(members: &[Wish], partitions: &BTreeMap<String, usize>) -> BTreeMap<Place, usize> {
    let mut claims: BTreeMap<&Place, (i32, Option<usize>)> = BTreeMap::new();
    for (member, wish) in members.iter().enumerate() {
        for place in &wish.owned {
            let exists = partitions.get(&place.0).is_some_and(|&count| (place.1 as usize) < count);
            if !exists || place.1 < 0 || !wish.topics.contains(&place.0) {
                continue;
            }
            let claim = claims.entry(place).or_insert((i32::MIN, None));
            match wish.generation.cmp(&claim.0) {
                std::cmp::Ordering::Greater => *claim = (wish.generation, Some(member)),
                std::cmp::Ordering::Equal => claim.1 = None,
                std::cmp::Ordering::Less => {}
            }
        }
    }
    let kept = claims.into_iter().filter_map(|(place, (_, member))| Some((place.clone(), member?)));
    kept.collect()
}

/// Members by their place in the list.
struct Sharing<'a> {
    members: &'a [Wish],
    /// Who may read a topic.
    readers: BTreeMap<&'a str, Vec<usize>>,
    partitions: &'a BTreeMap<String, usize>,
    places: Vec<BTreeSet<Place>>,
}

impl<'a> Sharing<'a> {
    fn new(members: &'a [Wish], partitions: &'a BTreeMap<String, usize>) -> Sharing<'a> {
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(|&a, &b| members[a].order().cmp(&members[b].order()));
        let readers = |topic: &'a String| {
            let reads = |member: &&usize| members[**member].topics.contains(topic);
            (topic.as_str(), order.iter().filter(reads).copied().collect())
        };
        Sharing {
            members,
            readers: partitions.keys().map(readers).collect(),
            partitions,
            places: vec![BTreeSet::new(); members.len()],
        }
    }

    fn give(&mut self, place: &Place, member: usize) {
        self.places[member].insert(place.clone());
    }

    /// What nobody has and somebody may read, in turns through the topics.
    fn homeless(&self) -> Vec<Place> {
        let had: BTreeSet<&Place> = self.places.iter().flatten().collect();
        let all = self
            .partitions
            .iter()
            .flat_map(|(topic, &count)| (0..count).map(move |index| (topic.clone(), index as i32)));
        all.filter(|place| !had.contains(place)).collect()
    }

    fn give_to_least(&mut self, place: &Place) {
        let readers = &self.readers[place.0.as_str()];
        if let Some(&least) = readers.iter().min_by_key(|&&member| self.places[member].len()) {
            self.give(place, least);
        }
    }

    /// Moves single partitions from who has most to who has least, while that makes it more even.
    /// Each move does, so it ends.
    fn level(&mut self) {
        loop {
            let mut order: Vec<usize> = (0..self.members.len()).collect();
            order.sort_by_key(|&member| std::cmp::Reverse(self.places[member].len()));
            let step = order.iter().find_map(|&from| {
                // What was given last moves first.
                self.places[from].iter().rev().find_map(|place| {
                    let readers = &self.readers[place.0.as_str()];
                    let least = readers.iter().min_by_key(|&&to| self.places[to].len())?;
                    let better = self.places[*least].len() + 1 < self.places[from].len();
                    better.then(|| (from, place.clone(), *least))
                })
            });
            let Some((from, place, to)) = step else { return };
            self.places[from].remove(&place);
            self.places[to].insert(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prng::Prng;

    fn wish(member: &str, topics: &[&str], owned: &[i32], generation: i32) -> Wish {
        Wish {
            member: member.to_owned(),
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            owned: owned.iter().map(|&index| ("t".to_owned(), index)).collect(),
            generation,
            ..Wish::default()
        }
    }

    fn shares(assignments: &Assignments) -> Vec<(&str, Vec<i32>)> {
        let numbers = |places: &Vec<Place>| places.iter().map(|place| place.1).collect();
        assignments.iter().map(|(id, places)| (id.as_str(), numbers(places))).collect()
    }

    #[test]
    fn what_changes_hands_is_first_given_up() {
        let partitions = BTreeMap::from([("t".to_owned(), 4)]);
        let first = assign(&[wish("a", &["t"], &[], -1)], &partitions);
        assert_eq!(shares(&first), [("a", vec![0, 1, 2, 3])]);
        let members = [wish("a", &["t"], &[0, 1, 2, 3], 1), wish("b", &["t"], &[], -1)];
        assert_eq!(shares(&assign(&members, &partitions)), [("a", vec![0, 1]), ("b", vec![])]);
        let members = [wish("a", &["t"], &[0, 1], 2), wish("b", &["t"], &[], 2)];
        assert_eq!(shares(&assign(&members, &partitions)), [("a", vec![0, 1]), ("b", vec![2, 3])]);
        // Somebody left: the others keep theirs.
        let members = [wish("b", &["t"], &[2, 3], 3), wish("c", &["t"], &[0], 3)];
        assert_eq!(shares(&assign(&members, &partitions)), [("b", vec![2, 3]), ("c", vec![0, 1])]);
    }

    #[test]
    fn the_latest_generation_is_believed_and_equals_are_not() {
        let partitions = BTreeMap::from([("t".to_owned(), 2)]);
        let members = [wish("a", &["t"], &[0, 1], 3), wish("b", &["t"], &[0], 4)];
        assert_eq!(shares(&assign(&members, &partitions)), [("a", vec![1]), ("b", vec![0])]);
        let members = [wish("a", &["t"], &[0], 4), wish("b", &["t"], &[0], 4)];
        assert_eq!(shares(&assign(&members, &partitions)), [("a", vec![0]), ("b", vec![1])]);
    }

    /// Joins until nothing changes, as members do; yields the last assignment.
    fn settle(
        mut members: Vec<Wish>,
        partitions: &BTreeMap<String, usize>,
    ) -> (Vec<Wish>, Assignments) {
        for generation in 1..10 {
            let shared = assign(&members, partitions);
            let mut same = true;
            for wish in &mut members {
                let owned = shared[&wish.member].clone();
                same &= owned == wish.owned;
                (wish.owned, wish.generation) = (owned, generation);
            }
            if same {
                return (members, shared);
            }
        }
        panic!("it does not settle");
    }

    #[test]
    fn sharing_is_whole_even_and_settles() {
        let mut random = Prng::new(5);
        for _ in 0..300 {
            let topics = ["t", "u", "v"];
            let count = |random: &mut Prng| random.below(9) as usize;
            let partitions: BTreeMap<String, usize> =
                topics.iter().map(|&topic| (topic.to_owned(), count(&mut random))).collect();
            let alike = random.chance(1, 2);
            let mut members = Vec::new();
            for member in 0..1 + random.below(6) {
                let reads = |random: &mut Prng| alike || random.chance(2, 3);
                let topics: Vec<&str> =
                    topics.iter().copied().filter(|_| reads(&mut random)).collect();
                members.push(wish(&format!("m{member}"), &topics, &[], -1));
            }
            let (mut members, shared) = settle(members, &partitions);
            let all: BTreeSet<&Place> = shared.values().flatten().collect();
            assert_eq!(all.len(), shared.values().flatten().count(), "nothing twice");
            for (topic, &count) in &partitions {
                let read = members.iter().any(|wish| wish.topics.contains(topic));
                let given = all.iter().filter(|place| place.0 == *topic).count();
                assert_eq!(given, if read { count } else { 0 }, "{topic}");
            }
            if alike {
                let sizes: Vec<usize> = shared.values().map(Vec::len).collect();
                let (least, most) = (sizes.iter().min(), sizes.iter().max());
                assert!(most <= least.map(|least| least + 1).as_ref(), "{sizes:?}");
            }
            // One goes: whoever stays keeps all that it had, where subscriptions are alike.
            if alike && members.len() > 1 {
                let before = members.clone();
                members.remove(0);
                let (after, _) = settle(members, &partitions);
                for wish in &after {
                    let had = before.iter().find(|one| one.member == wish.member).expect("there");
                    assert!(had.owned.iter().all(|place| wish.owned.contains(place)), "{wish:?}");
                }
            }
        }
    }
}
