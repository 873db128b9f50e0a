//! A number for the topics that a group subscribes to, which differs when any of them comes, goes, or
//! grows (KIP-1101). Kafka's, so that a group that moves between the two is not shared anew for it:
//! XXH3 over the topic's id, its name in UTF-16 with its length, and its partitions with their racks.

use std::collections::BTreeMap;
use std::rc::Rc;

use twox_hash::XxHash3_64;

use crate::coordinator::{TopicFacts, View};

/// What stands before all else, to tell this way of counting from a later one.
const FIRST_BYTE: u8 = 0;

/// The numbers of single topics, kept while they hold.
#[derive(Default)]
pub(in crate::coordinator::group) struct Hashes(BTreeMap<Rc<str>, u64>);

impl Hashes {
    /// The topic has changed.
    pub fn forget(&mut self, topic: &str) {
        self.0.remove(topic);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Of all these topics, which must come in their order; those that are not there do not count.
    pub(super) fn of_group<'a>(
        &mut self,
        topics: impl Iterator<Item = &'a Rc<str>>,
        view: &dyn View,
    ) -> i64 {
        let mut bytes = Vec::new();
        for topic in topics {
            let Some(facts) = view.topic(topic) else { continue };
            let hash = match self.0.get(topic) {
                Some(&known) => known,
                None => {
                    let hash = of_topic(topic, facts, view);
                    self.0.insert(topic.clone(), hash);
                    hash
                }
            };
            bytes.extend_from_slice(&hash.to_le_bytes());
        }
        match bytes.is_empty() {
            true => 0,
            false => XxHash3_64::oneshot(&bytes) as i64,
        }
    }
}

fn of_topic(name: &str, facts: TopicFacts, view: &dyn View) -> u64 {
    let TopicFacts { id, partitions } = facts;
    let mut bytes = Vec::with_capacity(25 + 2 * name.len() + 4 * partitions.max(0) as usize);
    bytes.push(FIRST_BYTE);
    let (high, low) = id.0.split_at(8);
    bytes.extend(high.iter().rev());
    bytes.extend(low.iter().rev());
    put_text(&mut bytes, name);
    bytes.extend_from_slice(&partitions.to_le_bytes());
    for partition in 0..partitions {
        bytes.extend_from_slice(&partition.to_le_bytes());
        for rack in view.racks(name, partition) {
            bytes.extend_from_slice(&utf16_len(rack).to_le_bytes());
            put_text(&mut bytes, rack);
        }
    }
    XxHash3_64::oneshot(&bytes)
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    text.encode_utf16().for_each(|unit| bytes.extend_from_slice(&unit.to_le_bytes()));
    bytes.extend_from_slice(&utf16_len(text).to_le_bytes());
}

fn utf16_len(text: &str) -> i32 {
    text.encode_utf16().count() as i32
}
