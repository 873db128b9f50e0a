//! Kafka's RangeAssignor: each topic by itself, in the order of the members, the first ones get one
//! more where it does not divide evenly.

use std::collections::BTreeMap;

use super::{Assignments, Wish};

pub fn assign(members: &[Wish], partitions: &BTreeMap<String, usize>) -> Assignments {
    let mut assignments: Assignments =
        members.iter().map(|member| (member.member.clone(), Vec::new())).collect();
    for (topic, &count) in partitions {
        let mut readers: Vec<&Wish> =
            members.iter().filter(|member| member.topics.contains(topic)).collect();
        readers.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut next = 0;
        for (place, reader) in readers.iter().enumerate() {
            let more = usize::from(place < count % readers.len());
            let share = count / readers.len() + more;
            let of_member = assignments.entry(reader.member.clone()).or_default();
            of_member.extend((next..next + share).map(|index| (topic.clone(), index as i32)));
            next += share;
        }
    }
    assignments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(member: &str, instance: Option<&str>, topics: &[&str]) -> Wish {
        Wish {
            member: member.to_owned(),
            instance: instance.map(str::to_owned),
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            ..Wish::default()
        }
    }

    #[test]
    fn neighbours_stay_together() {
        let partitions = BTreeMap::from([("t".to_owned(), 3), ("u".to_owned(), 1)]);
        let check = |members: &[Wish], expect: &[(&str, &str)]| {
            let shared = assign(members, &partitions);
            let text = |places: &Vec<(String, i32)>| {
                let places = places.iter().map(|(topic, index)| format!("{topic}{index}"));
                places.collect::<Vec<_>>().join(" ")
            };
            let got: Vec<_> =
                shared.iter().map(|(id, places)| (id.as_str(), text(places))).collect();
            let expect: Vec<_> = expect.iter().map(|&(id, text)| (id, text.to_owned())).collect();
            assert_eq!(got, expect);
        };
        check(
            &[wish("b", None, &["t", "u"]), wish("a", None, &["t", "u"])],
            &[("a", "t0 t1 u0"), ("b", "t2")],
        );
        // Static members come first, by their own names.
        check(
            &[wish("a", None, &["t"]), wish("b", Some("y"), &["t"]), wish("c", Some("x"), &["t"])],
            &[("a", "t2"), ("b", "t1"), ("c", "t0")],
        );
        check(&[wish("a", None, &["u"]), wish("b", None, &[])], &[("a", "u0"), ("b", "")]);
    }
}
