//! Groups to share among, made up by hand or by chance, and what holds of every share.

use super::*;
use crate::base::prng::Prng;

pub(super) type Subscribers = BTreeMap<Rc<str>, Subscriber>;
pub(super) type Topics = BTreeMap<TopicId, i32>;
pub(super) type Shares = BTreeMap<Rc<str>, Rc<Assignment>>;

/// Topics by number, each with partitions.
pub(super) type Parts<'a> = &'a [(u8, &'a [i32])];
/// A member's name, what it subscribes to, and what it has.
pub(super) type Named<'a> = (&'a str, &'a [u8], Parts<'a>);

pub(super) fn topic(number: u8) -> TopicId {
    TopicId([number + 1; 16])
}

/// The topics with these counts of partitions, numbered from 0.
pub(super) fn topics(counts: &[i32]) -> Topics {
    (0..).map(topic).zip(counts.iter().copied()).collect()
}

pub(super) fn assignment(parts: Parts<'_>) -> Assignment {
    parts.iter().map(|(number, parts)| (topic(*number), parts.iter().copied().collect())).collect()
}

pub(super) fn subscribers(members: &[Named<'_>]) -> Subscribers {
    let members = members.iter().map(|(name, subscribed, owned)| {
        let topics = Rc::new(subscribed.iter().copied().map(topic).collect());
        let owned = Rc::new(assignment(owned));
        ((*name).into(), Subscriber { instance: None, topics, owned })
    });
    members.collect()
}

/// What was shared out becomes what the members have.
pub(super) fn settle(subscribers: &mut Subscribers, shares: &Shares) {
    for (id, subscriber) in subscribers {
        subscriber.owned = shares[id].clone();
    }
}

pub(super) fn count(assignment: &Assignment) -> usize {
    assignment.values().map(BTreeSet::len).sum()
}

/// Partitions that leave a member which could have kept them.
pub(super) fn moves(subscribers: &Subscribers, topics: &Topics, shares: &Shares) -> usize {
    let mut moves = 0;
    for (id, subscriber) in subscribers {
        for (topic, owned) in
            subscriber.owned.iter().filter(|(t, _)| subscriber.topics.contains(*t))
        {
            let there = topics.get(topic).copied().unwrap_or(0);
            let still = shares[id].get(topic);
            let gone = |part: &&i32| !still.is_some_and(|still| still.contains(*part));
            moves += owned.range(0..there).filter(gone).count();
        }
    }
    moves
}

/// A group by chance: small, with topics that nobody subscribes to and subscriptions to what is not
/// there. Nobody has anything yet.
pub(super) fn random_group(random: &mut Prng) -> (Subscribers, Topics) {
    let known = 1 + random.below(8) as u8;
    let counts: Vec<i32> = (0..known).map(|_| random.below(14) as i32).collect();
    let alike = random.chance(1, 3);
    let common: BTreeSet<TopicId> = random_topics(random, known);
    let mut members = Subscribers::new();
    for number in 0..1 + random.below(9) {
        let subscribed = if alike { common.clone() } else { random_topics(random, known) };
        let instance = random.chance(1, 4).then(|| format!("i{}", 9 - number).into());
        let owned = Rc::default();
        let member = Subscriber { instance, topics: Rc::new(subscribed), owned };
        members.insert(format!("m{number}").into(), member);
    }
    (members, topics(&counts))
}

fn random_topics(random: &mut Prng, known: u8) -> BTreeSet<TopicId> {
    let density = 1 + random.below(4);
    // The last one is not there.
    (0..=known).filter(|_| random.chance(density, 4)).map(topic).collect()
}

/// Something happens to the group: members come, go or change their minds, topics grow or go.
pub(super) fn disturb(random: &mut Prng, members: &mut Subscribers, topics: &mut Topics) {
    for _ in 0..1 + random.below(3) {
        let chosen = members.keys().nth(random.below(members.len() as u64) as usize).cloned();
        let chosen = chosen.expect("a group has a member");
        match random.below(5) {
            0 if members.len() > 1 => drop(members.remove(&chosen)),
            1 => {
                let newcomer = Subscriber { owned: Rc::default(), ..members[&chosen].clone() };
                members.insert(format!("n{}", random.below(1000)).into(), newcomer);
            }
            2 => {
                let subscribed = random_topics(random, topics.len() as u8);
                members.get_mut(&chosen).expect("a member").topics = Rc::new(subscribed);
            }
            3 => topics.values_mut().for_each(|count| *count += random.below(4) as i32),
            _ => {
                let gone = topics.keys().nth(random.below(topics.len() as u64) as usize).copied();
                topics.retain(|id, _| Some(*id) != gone || random.chance(1, 2));
                topics.entry(topic(200)).or_insert(3);
            }
        }
    }
}

/// Every partition of what is subscribed to has one owner, who subscribes to it, and nothing else
/// is shared out.
pub(super) fn assert_whole(subscribers: &Subscribers, topics: &Topics, shares: &Shares) {
    assert!(subscribers.keys().eq(shares.keys()), "a share for each of the members");
    let mut owners: BTreeMap<(TopicId, i32), &str> = BTreeMap::new();
    for (id, share) in shares {
        for (topic, parts) in share.iter() {
            assert!(subscribers[id].topics.contains(topic), "{id} does not subscribe to {topic}");
            assert!(!parts.is_empty(), "{id}: {topic} stands there for nothing");
            for part in parts {
                let other = owners.insert((*topic, *part), id);
                assert_eq!(other, None, "{topic}-{part} is {id}'s too");
            }
        }
    }
    let subscribed: BTreeSet<&TopicId> =
        subscribers.values().flat_map(|s| s.topics.iter()).collect();
    let expected = subscribed.iter().filter_map(|id| topics.get_key_value(*id));
    let expected = expected.flat_map(|(id, count)| (0..*count).map(|part| (*id, part)));
    assert!(owners.into_keys().eq(expected), "all there is, and nothing else");
}

#[test]
fn assignors_go_by_kafkas_names() {
    assert_eq!(Assignor::named("uniform"), Some(Assignor::Uniform));
    assert_eq!(Assignor::named("range"), Some(Assignor::Range));
    assert_eq!(Assignor::named("Range"), None);
    assert_eq!(Assignor::named(""), None);
}

#[test]
fn whoever_reads_nothing_gets_nothing() {
    for assignor in [Assignor::Uniform, Assignor::Range] {
        assert!(assignor.assign(&Subscribers::new(), &topics(&[3])).is_empty());
        let members = subscribers(&[("a", &[], &[(0, &[1])]), ("b", &[7], &[]), ("c", &[1], &[])]);
        let shares = assignor.assign(&members, &topics(&[3, 0]));
        assert!(shares.len() == 3 && shares.values().all(|share| share.is_empty()));
    }
}

/// Through the life of many groups: shares are whole, the same each time, and stay when nothing
/// happens.
#[test]
fn shares_are_whole_and_stay() {
    for seed in 0..1500 {
        let random = &mut Prng::new(seed);
        let assignor = if random.chance(1, 2) { Assignor::Uniform } else { Assignor::Range };
        let (mut members, mut topics) = random_group(random);
        for step in 0..6 {
            let shares = assignor.assign(&members, &topics);
            let again = assignor.assign(&members.clone(), &topics.clone());
            assert_eq!(shares, again, "seed {seed}, step {step}");
            assert_whole(&members, &topics, &shares);
            settle(&mut members, &shares);
            for (id, share) in assignor.assign(&members, &topics) {
                assert!(Rc::ptr_eq(&share, &members[&id].owned), "seed {seed}, step {step}: {id}");
            }
            disturb(random, &mut members, &mut topics);
        }
    }
}
