//! Where reading begins and ends: what `--offset` says, found out for every partition.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::cli::failure::Failure;
use crate::cli::topic::missing_partition;
use crate::client::consumer::Start;
use crate::client::{Cluster, Isolation, Topic, list_offsets};
use crate::model::Offset;
use crate::wire::messages::list_offsets::{EARLIEST, LATEST};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Earliest,
    Latest,
    At(Offset),
    /// So many before the end.
    Last(i64),
    /// The first record of this time or later, in milliseconds since 1970.
    Since(i64),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let natural = |digits: &str| digits.parse().ok().filter(|&number: &i64| number >= 0);
        let place = match text {
            "earliest" | "beginning" => Some(Place::Earliest),
            "latest" | "end" => Some(Place::Latest),
            _ => match (text.strip_prefix('-'), text.strip_prefix('@')) {
                (Some(count), _) => natural(count).map(Place::Last),
                (_, Some(time)) => natural(time).map(Place::Since),
                _ => natural(text).map(Place::At),
            },
        };
        place.ok_or_else(|| {
            "it is earliest, latest, an offset, -N for the last N records, or @MS for a time".into()
        })
    }
}

pub struct Wanted<'a> {
    pub topic: &'a str,
    /// All when empty.
    pub partitions: &'a [i32],
    pub place: Place,
    pub to_the_end: bool,
    pub isolation: Isolation,
}

impl Wanted<'_> {
    pub async fn starts(&self, cluster: &Cluster, topic: &Topic) -> Result<Vec<Start>, Failure> {
        let name = self.topic;
        let all = || topic.partitions.iter().map(|partition| partition.index).collect();
        let mut partitions: Vec<i32> =
            if self.partitions.is_empty() { all() } else { self.partitions.to_vec() };
        partitions.sort_unstable();
        partitions.dedup();
        let missing = |index: &&i32| topic.partition(**index).is_none();
        if let Some(&missing) = partitions.iter().find(missing) {
            return Err(missing_partition(name, missing, topic.partitions.len()));
        }
        let earliest = self.ask(cluster, &partitions, EARLIEST).await?;
        let latest = self.ask(cluster, &partitions, LATEST).await?;
        let since = match self.place {
            Place::Since(time) => self.ask(cluster, &partitions, time).await?,
            _ => BTreeMap::new(),
        };
        let mut starts = Vec::new();
        for partition in partitions {
            let (first, end) = (earliest[&partition], latest[&partition]);
            let offset = match self.place {
                Place::Earliest => first,
                Place::Latest => end,
                Place::At(offset) if (first..=end).contains(&offset) => offset,
                Place::At(offset) => {
                    let held = match end - first {
                        0 => format!("which is empty (its end is offset {end})"),
                        _ => format!("which holds offsets {first} to {}", end - 1),
                    };
                    return Err(format!(
                        "offset {offset} lies outside {name}-{partition}, {held}; choose another \
                         with --offset, or a partition with --partition"
                    )
                    .into());
                }
                Place::Last(count) => end.saturating_sub(count).max(first),
                // No record is that young: what comes will be.
                Place::Since(_) if since[&partition] < 0 => end,
                Place::Since(_) => since[&partition],
            };
            starts.push(Start { partition, offset, end: self.to_the_end.then_some(end) });
        }
        Ok(starts)
    }

    async fn ask(
        &self,
        cluster: &Cluster,
        partitions: &[i32],
        time: i64,
    ) -> Result<BTreeMap<i32, Offset>, Failure> {
        let wanted: Vec<(i32, i64)> = partitions.iter().map(|&index| (index, time)).collect();
        let found = cluster
            .retry(async || {
                let topic = cluster.topic(self.topic, false).await?;
                list_offsets(cluster, self.topic, &topic, &wanted, self.isolation).await
            })
            .await?;
        Ok(found.into_iter().map(|(index, at)| (index, at.offset)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_people_write_them() {
        let check = |text: &str, expect| assert_eq!(text.parse().ok(), expect, "{text}");
        check("earliest", Some(Place::Earliest));
        check("latest", Some(Place::Latest));
        check("0", Some(Place::At(0)));
        check("-5", Some(Place::Last(5)));
        check("@1760000000000", Some(Place::Since(1_760_000_000_000)));
        for bad in ["", "-", "@", "--5", "@-5", "soon", "1.5", "+"] {
            check(bad, None);
        }
    }
}
