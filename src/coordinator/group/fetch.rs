//! OffsetFetch: where a group goes on (KIP-447: and what a transaction may still change).

use super::offsets::{Committed, Offsets};
use super::request::{Answer, Fetch, FetchedOffset, FetchedTopic};
use super::{Groups, Kind};
use crate::model::ErrorCode;

impl Groups {
    pub(super) fn fetch(&self, group: &str, fetch: &Fetch) -> Answer {
        let known = self.table.get(group);
        if let (Some(Kind::Consumer(consumer)), Some((member, epoch))) =
            (known.map(|group| &group.kind), &fetch.who)
            && let Err(error) = consumer.check_fetch(member, *epoch)
        {
            return Answer::Refused(error);
        }
        let none = Offsets::default();
        let offsets = known.map_or(&none, |group| &group.offsets);
        let one = |topic: &str, partition: i32, found: Option<&Committed>| {
            if fetch.require_stable && offsets.is_pending(topic, partition) {
                return FetchedOffset::none(partition, ErrorCode::UNSTABLE_OFFSET_COMMIT);
            }
            found.map_or_else(
                || FetchedOffset::none(partition, ErrorCode::NONE),
                |found| FetchedOffset {
                    partition,
                    error: ErrorCode::NONE,
                    offset: found.offset,
                    leader_epoch: found.leader_epoch,
                    metadata: found.metadata.to_string(),
                },
            )
        };
        let topics = match &fetch.topics {
            Some(topics) => topics
                .iter()
                .map(|(name, partitions)| FetchedTopic {
                    name: name.clone(),
                    partitions: partitions
                        .iter()
                        .map(|&partition| one(name, partition, offsets.get(name, partition)))
                        .collect(),
                })
                .collect(),
            None => offsets
                .topics()
                .map(|(name, partitions)| FetchedTopic {
                    name: name.to_owned(),
                    partitions: partitions
                        .iter()
                        .map(|(&partition, found)| one(name, partition, Some(found)))
                        .collect(),
                })
                .collect(),
        };
        Answer::Fetched(topics)
    }
}

impl FetchedOffset {
    fn none(partition: i32, error: ErrorCode) -> FetchedOffset {
        FetchedOffset { partition, error, offset: -1, leader_epoch: -1, metadata: String::new() }
    }
}
