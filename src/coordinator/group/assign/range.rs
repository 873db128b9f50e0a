//! The range assignor, as Kafka 4's: each topic is cut into as many ranges as it has subscribers, the
//! first ones longer by one where it does not divide, and dealt out in the members' order. So topics
//! of as many partitions and the same subscribers line up, partition by partition, for joins.
//!
//! The order makes it sticky, and nothing else does: static members come first, by their instance
//! ids, which outlive a restart; the others follow by member id.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Assignment, Subscriber, kept_or_new};
use crate::model::TopicId;

/// What is left of a topic while the members take their turns.
struct Cut {
    partitions: i32,
    subscribers: i32,
    next: i32,
    /// Ranges that were dealt out.
    dealt: i32,
}

impl Cut {
    fn deal(&mut self) -> std::ops::Range<i32> {
        let longer = self.dealt < self.partitions % self.subscribers;
        let start = self.next;
        self.next += self.partitions / self.subscribers + i32::from(longer);
        self.dealt += 1;
        start..self.next
    }
}

pub(super) fn assign(
    subscribers: &BTreeMap<Rc<str>, Subscriber>,
    topics: &BTreeMap<TopicId, i32>,
) -> BTreeMap<Rc<str>, Rc<Assignment>> {
    let mut cuts: BTreeMap<TopicId, Cut> = BTreeMap::new();
    for id in subscribers.values().flat_map(|subscriber| subscriber.topics.iter()) {
        if let Some(&partitions) = topics.get(id) {
            let cut = Cut { partitions, subscribers: 0, next: 0, dealt: 0 };
            cuts.entry(*id).or_insert(cut).subscribers += 1;
        }
    }
    let mut order: Vec<(&Rc<str>, &Subscriber)> = subscribers.iter().collect();
    order
        .sort_by_key(|(id, subscriber)| (subscriber.instance.is_none(), &subscriber.instance, *id));
    let shares = order.into_iter().map(|(id, subscriber)| {
        let mut share = Assignment::new();
        for topic in subscriber.topics.iter() {
            let range = cuts.get_mut(topic).map_or(0..0, Cut::deal);
            if !range.is_empty() {
                share.insert(*topic, range.collect());
            }
        }
        (id.clone(), kept_or_new(&subscriber.owned, share))
    });
    shares.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::coordinator::group::assign::tests::{
        Named, Parts, Subscribers, assignment, subscribers, topic, topics,
    };

    /// The shares of the members in the order of their ids.
    fn check(members: &Subscribers, counts: &[i32], expect: &[Parts<'_>]) {
        let shares = assign(members, &topics(counts));
        let expect: Vec<Assignment> = expect.iter().map(|share| assignment(share)).collect();
        assert!(shares.values().map(|share| &**share).eq(&expect), "{shares:#?}");
    }

    #[test]
    fn topics_of_equal_counts_line_up() {
        let members = subscribers(&[("a", &[0, 1, 2], &[]), ("b", &[0, 1, 2], &[])]);
        check(
            &members,
            &[3, 3, 5],
            &[
                &[(0, &[0, 1]), (1, &[0, 1]), (2, &[0, 1, 2])],
                &[(0, &[2]), (1, &[2]), (2, &[3, 4])],
            ],
        );
    }

    #[test]
    fn the_first_get_the_longer_ranges_and_the_last_may_get_none() {
        let members = ["a", "b", "c", "d"].map(|name| (name, &[0u8, 1] as &[u8], &[] as &[_]));
        let members = subscribers(&members);
        let shares: [Parts<'_>; 4] = [
            &[(0, &[0, 1, 2]), (1, &[0])],
            &[(0, &[3, 4, 5]), (1, &[1])],
            &[(0, &[6, 7])],
            &[(0, &[8, 9])],
        ];
        check(&members, &[10, 2], &shares);
    }

    #[test]
    fn each_topic_is_cut_among_its_own_subscribers() {
        let members = subscribers(&[("a", &[0], &[]), ("b", &[0, 1], &[]), ("c", &[1], &[])]);
        check(&members, &[3, 3], &[&[(0, &[0, 1])], &[(0, &[2]), (1, &[0, 1])], &[(1, &[2])]]);
    }

    #[test]
    fn static_members_keep_their_place_whatever_their_ids() {
        let mut members =
            subscribers(&[("a", &[0], &[]), ("x", &[0], &[]), ("y", &[0], &[]), ("z", &[0], &[])]);
        let set = |members: &mut Subscribers, id: &str, instance: &str| {
            members.get_mut(id).expect("a member").instance = Some(instance.into());
        };
        set(&mut members, "z", "1");
        set(&mut members, "y", "2");
        // z, y, and then the dynamic ones: a, x.
        check(&members, &[4], &[&[(0, &[2])], &[(0, &[3])], &[(0, &[1])], &[(0, &[0])]]);
        // Both come back with other ids.
        members.remove("y");
        members.remove("z");
        members.extend(subscribers(&[("b", &[0], &[]), ("w", &[0], &[])]));
        set(&mut members, "b", "2");
        set(&mut members, "w", "1");
        check(&members, &[4], &[&[(0, &[2])], &[(0, &[1])], &[(0, &[0])], &[(0, &[3])]]);
    }

    #[test]
    fn a_thousand_members_share_ten_thousand_partitions() {
        let names: Vec<String> = (0..1000).map(|number| format!("m{number:04}")).collect();
        let subscribed: Vec<u8> = (0..100).collect();
        let members: Vec<Named<'_>> =
            names.iter().map(|name| (name.as_str(), &subscribed[..], &[] as &[_])).collect();
        let shares = assign(&subscribers(&members), &topics(&[100; 100]));
        let sizes = shares.values().map(|share| share.len());
        assert_eq!(sizes.collect::<BTreeSet<_>>(), BTreeSet::from([0, 100]));
        assert_eq!(
            *shares["m0099"],
            (0..100).map(|n| (topic(n), BTreeSet::from([99]))).collect::<Assignment>()
        );
    }
}
