//! How even, how still, and at what cost.

use std::collections::BTreeSet;

use super::*;
use crate::base::prng::Prng;
use crate::config::limits::ASSIGNMENT_STEPS_MAX;
use crate::coordinator::group::assign::tests::{
    Parts, Shares, Subscribers, Topics, assert_whole, assignment, count, disturb, moves,
    random_group, settle, subscribers, topic, topics,
};

/// The shares of the members in the order of their ids.
fn check(members: &Subscribers, counts: &[i32], expect: &[Parts<'_>]) {
    let shares = assign(members, &topics(counts));
    let expect: Vec<Assignment> = expect.iter().map(|share| assignment(share)).collect();
    assert!(shares.values().map(|share| &**share).eq(&expect), "{shares:#?}");
}

#[test]
fn newcomers_get_what_is_over() {
    let members = subscribers(&[("a", &[0], &[]), ("b", &[0], &[])]);
    check(&members, &[4], &[&[(0, &[0, 1])], &[(0, &[2, 3])]]);
    let members = subscribers(&[("a", &[0], &[(0, &[0, 1, 2, 3, 4])]), ("b", &[0], &[])]);
    check(&members, &[5], &[&[(0, &[0, 1, 2])], &[(0, &[3, 4])]]);
    // c takes one of each; nothing moves between a and b.
    let members = subscribers(&[
        ("a", &[0], &[(0, &[0, 2, 4])]),
        ("b", &[0], &[(0, &[1, 3, 5])]),
        ("c", &[0], &[]),
    ]);
    check(&members, &[6], &[&[(0, &[0, 2])], &[(0, &[1, 3])], &[(0, &[4, 5])]]);
}

#[test]
fn what_a_leaver_had_goes_to_those_with_least() {
    let members = subscribers(&[("a", &[0], &[(0, &[4, 5])]), ("b", &[0], &[(0, &[0])])]);
    check(&members, &[6], &[&[(0, &[1, 4, 5])], &[(0, &[0, 2, 3])]]);
}

#[test]
fn what_cannot_be_kept_is_not() {
    // b's 0-1 is a's already, there is no 0-9, and a does not read topic 1 any more.
    let members =
        subscribers(&[("a", &[0], &[(0, &[1]), (1, &[0])]), ("b", &[0, 1], &[(0, &[1, 9, -1])])]);
    check(&members, &[2, 1], &[&[(0, &[0, 1])], &[(1, &[0])]]);
}

/// a can only be relieved by b, who has no fewer than a must have, but may pass on to c.
#[test]
fn the_load_is_levelled_by_way_of_others() {
    let members = subscribers(&[
        ("a", &[0], &[(0, &[0, 1, 2])]),
        ("b", &[0, 1], &[(1, &[0, 1])]),
        ("c", &[1], &[(1, &[2])]),
    ]);
    check(&members, &[3, 3], &[&[(0, &[0, 1])], &[(0, &[2]), (1, &[0])], &[(1, &[1, 2])]]);
}

/// By another way than the assignor's: from nobody can partitions be passed on, be it by way of
/// others, to somebody who has two fewer. So nothing is more even, and with equal subscriptions
/// the shares differ by one.
fn assert_even(subscribers: &Subscribers, shares: &Shares, hint: &str) {
    let load = |id: &str| count(&shares[id]);
    for from in subscribers.keys() {
        let mut reached = BTreeSet::from([from]);
        loop {
            let given: BTreeSet<&TopicId> =
                reached.iter().flat_map(|id| shares[*id].keys()).collect();
            let takers =
                subscribers.iter().filter(|(_, s)| given.iter().any(|t| s.topics.contains(*t)));
            let before = reached.len();
            reached.extend(takers.map(|(id, _)| id));
            if reached.len() == before {
                break;
            }
        }
        for to in reached {
            assert!(load(from) < load(to) + 2, "{hint}: {from} should give to {to}: {shares:#?}");
        }
    }
}

/// The fewest moves with which members who read the same get shares that differ by one: those that
/// have more keep one more.
fn fewest_moves(subscribers: &Subscribers, topics: &Topics) -> Option<usize> {
    let read = &subscribers.values().next()?.topics;
    if subscribers.values().any(|subscriber| subscriber.topics != *read) {
        return None;
    }
    let there = |t: &TopicId| topics.get(t).copied().unwrap_or(0);
    let all: i32 = read.iter().map(there).sum();
    let kept = |subscriber: &Subscriber| {
        let read = subscriber.owned.iter().filter(|(t, _)| read.contains(*t));
        read.map(|(t, parts)| parts.range(0..there(t)).count()).sum()
    };
    let mut had: Vec<usize> = subscribers.values().map(kept).collect();
    had.sort_unstable_by_key(|count| Reverse(*count));
    let (least, longer) = (all as usize / had.len(), all as usize % had.len());
    let quotas = (0..had.len()).map(|nth| least + usize::from(nth < longer));
    Some(had.iter().zip(quotas).map(|(had, quota)| had.saturating_sub(quota)).sum())
}

#[test]
fn shares_are_as_even_as_can_be_and_no_partition_moves_without_need() {
    let (mut alike, mut moved) = (0, 0);
    for seed in 0..3000 {
        let random = &mut Prng::new(seed);
        let (mut members, mut topics) = random_group(random);
        for step in 0..5 {
            let hint = format!("seed {seed}, step {step}");
            let shares = assign(&members, &topics);
            assert_whole(&members, &topics, &shares);
            assert_even(&members, &shares, &hint);
            if let Some(fewest) = fewest_moves(&members, &topics) {
                assert_eq!(moves(&members, &topics, &shares), fewest, "{hint}");
                (alike, moved) = (alike + 1, moved + usize::from(fewest > 0));
            }
            settle(&mut members, &shares);
            disturb(random, &mut members, &mut topics);
        }
    }
    assert!(alike > 2000 && moved > 200, "the groups are of too few kinds: {alike}, {moved}");
}

/// Of all assignments of a small group: the smallest sum of the loads' squares, and the fewest moves
/// that lead to an assignment which has it.
fn best_of_all(subscribers: &Subscribers, topics: &Topics) -> (usize, usize) {
    let members: Vec<&Subscriber> = subscribers.values().collect();
    // All loads that can come out, with the fewest moves to each.
    let mut found = BTreeMap::from([(vec![0; members.len()], 0)]);
    for (id, part) in topics.iter().flat_map(|(id, count)| (0..*count).map(move |at| (id, at))) {
        let takers = (0..members.len()).filter(|&at| members[at].topics.contains(id));
        let takers: Vec<usize> = takers.collect();
        let owns = |at: usize| members[at].owned.get(id).is_some_and(|own| own.contains(&part));
        let owner = takers.iter().copied().find(|&at| owns(at));
        let mut more = BTreeMap::new();
        for (loads, moves) in &found {
            for &at in &takers {
                let mut loads: Vec<usize> = loads.clone();
                loads[at] += 1;
                let moves = moves + usize::from(owner.is_some_and(|owner| owner != at));
                let fewest = more.entry(loads).or_insert(moves);
                *fewest = moves.min(*fewest);
            }
        }
        if !takers.is_empty() {
            found = more;
        }
    }
    let rated = found.into_iter().map(|(loads, moves)| (squares(loads), moves));
    rated.min().expect("there is an assignment")
}

fn squares(loads: impl IntoIterator<Item = usize>) -> usize {
    loads.into_iter().map(|load| load * load).sum()
}

/// With subscriptions that differ, the fewest moves are not promised; that they are hardly ever
/// missed is.
#[test]
fn small_groups_are_as_good_as_the_best_of_all_assignments() {
    let (mut fewest, mut taken) = (0, 0);
    for seed in 0..400 {
        let random = &mut Prng::new(seed);
        let (mut members, mut topics) = random_group(random);
        let first: Vec<Rc<str>> = members.keys().take(3).cloned().collect();
        members.retain(|id, _| first.contains(id));
        topics.values_mut().for_each(|count| *count %= 4);
        for step in 0..3 {
            let shares = assign(&members, &topics);
            let (even, moved) = best_of_all(&members, &topics);
            let sizes = shares.values().map(|share| count(share));
            assert_eq!(squares(sizes), even, "seed {seed}, step {step}");
            fewest += moved;
            taken += moves(&members, &topics, &shares);
            settle(&mut members, &shares);
            disturb(random, &mut members, &mut topics);
            topics.values_mut().for_each(|count| *count = (*count).min(3));
            while members.len() > 3 {
                members.pop_last();
            }
        }
    }
    assert!(fewest > 100, "hardly anything had to move: {fewest}");
    assert!(taken * 100 <= fewest * 102, "{taken} moves where {fewest} are enough");
}

/// What each member subscribes to.
type Subscribed<'a> = &'a dyn Fn(usize) -> Vec<u8>;
/// Who had a partition before.
type Before<'a> = &'a dyn Fn(i32) -> Option<usize>;

/// 10,000 partitions and 1,000 members, by what the searches look at: a quarter of what is
/// allowed at most, whatever was before and whoever subscribes to what.
#[test]
fn large_groups_cost_little() {
    let check = |name: &str, counts: &[i32], subscribed: Subscribed<'_>, had: Before<'_>| {
        let topics = topics(counts);
        let mut owned = vec![Assignment::new(); 1000];
        for (id, count) in &topics {
            for part in 0..*count {
                if let Some(owner) = had(part) {
                    owned[owner].entry(*id).or_default().insert(part);
                }
            }
        }
        let members: Subscribers = owned
            .into_iter()
            .enumerate()
            .map(|(number, owned)| {
                let topics = Rc::new(subscribed(number).into_iter().map(topic).collect());
                let member = Subscriber { instance: None, topics, owned: Rc::new(owned) };
                (format!("m{number:04}").into(), member)
            })
            .collect();
        let mut table = Table::new(&members, &topics);
        table.deal_out();
        table.level();
        let steps = table.steps;
        println!("{name}: {steps} steps");
        assert!(steps < ASSIGNMENT_STEPS_MAX / 4, "{name}");
        assert_whole(&members, &topics, &table.settle());
    };
    let counts: [(&str, Vec<i32>); 3] =
        [("one topic", vec![10_000]), ("ten", vec![1000; 10]), ("a hundred", vec![100; 100])];
    for (size, counts) in &counts {
        let known = counts.len();
        let all = |_| (0..known as u8).collect();
        let some = |number: usize| {
            let random = &mut Prng::new(number as u64);
            (0..1 + known / 10).map(|_| random.below(known as u64) as u8).collect()
        };
        let but_one = |number: usize| {
            (0..known as u8).filter(|t| known == 1 || usize::from(*t) != number % known).collect()
        };
        let first = |number: usize| (0..=(number % known) as u8).collect();
        let chain = |number: usize| vec![(number % known) as u8, ((number + 1) % known) as u8];
        let kinds: [(&str, Subscribed<'_>); 5] = [
            ("all", &all),
            ("some", &some),
            ("all but one", &but_one),
            ("the first", &first),
            ("chained", &chain),
        ];
        for (kind, subscribed) in kinds {
            let before: [(&str, Before<'_>); 4] = [
                ("nobody", &|_| None),
                ("one", &|_| Some(999)),
                ("ten", &|part| Some(part as usize % 10)),
                ("half", &|part| Some(part as usize % 500)),
            ];
            for (who, had) in before {
                check(&format!("{size}, {kind}, before {who}"), counts, subscribed, had);
            }
        }
    }
}

#[cfg(feature = "planted-bugs")]
mod planted {
    use crate::coordinator::group::tests::planted::found;

    const TEST: &str = "coordinator::group::assign::uniform::tests::";

    #[test]
    fn moving_without_need_is_found() {
        let test = "shares_are_as_even_as_can_be_and_no_partition_moves_without_need";
        found("share-out-afresh", &format!("{TEST}{test}"));
    }

    #[test]
    fn levelling_without_ways_is_found() {
        let test = "small_groups_are_as_good_as_the_best_of_all_assignments";
        found("level-straight-on-alone", &format!("{TEST}{test}"));
    }
}
