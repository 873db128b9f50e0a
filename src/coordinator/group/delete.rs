//! DeleteGroups, OffsetDelete, and what goes with a topic that is deleted.

use super::offsets;
use super::request::Answer;
use super::turn::Out;
use super::{Group, Groups, Kind, classic};
use crate::coordinator::{Call, Now, Record, batch_bytes};
use crate::model::ErrorCode;

impl Group {
    /// What takes the group itself back, when it has no members.
    pub(super) fn tombstones(&self, id: &str) -> Vec<Record> {
        match &self.kind {
            Kind::Classic(_) => vec![Record { key: classic::record::key(id), value: None }],
            Kind::Consumer(consumer) => consumer.tombstones(None),
        }
    }
}

impl Groups {
    /// Removes an empty group and all that it has committed. What is too much for one batch goes in
    /// several, each asked for anew.
    pub(super) fn delete(&mut self, call: Call, id: &str, now: Now) -> Out {
        let Some(group) = self.table.get(id) else {
            return Out::answer(call, Answer::Code(ErrorCode::GROUP_ID_NOT_FOUND));
        };
        if !group.is_empty() {
            return Out::answer(call, Answer::Code(ErrorCode::NON_EMPTY_GROUP));
        }
        let offsets = group.offsets.each();
        let mut records: Vec<Record> =
            offsets.map(|(topic, partition, _)| offsets::tombstone(id, topic, partition)).collect();
        records.extend(group.tombstones(id));
        let is_whole = self.cut_to_fit(&mut records, 0);
        self.take(&records, None, now);
        let code = match is_whole {
            true => ErrorCode::NONE,
            // Clients try again on it.
            false => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        };
        Out { records, ..Out::answer(call, Answer::Code(code)) }
    }

    /// Drops records from the end until a batch takes them beside `taken` bytes; whether all stay.
    pub(super) fn cut_to_fit(&self, records: &mut Vec<Record>, taken: usize) -> bool {
        let most = self.rules.batch_bytes_max.saturating_sub(taken);
        let count = records.len();
        let mut bytes = batch_bytes(&*records);
        while bytes > most {
            let Some(last) = records.pop() else { break };
            bytes -= batch_bytes([&last]) - batch_bytes([]);
        }
        records.len() == count
    }

    pub(super) fn delete_offsets(
        &mut self,
        call: Call,
        id: &str,
        topics: &[(String, Vec<i32>)],
        now: Now,
    ) -> Out {
        let refuse = |error| Out::answer(call, Answer::OffsetsDeleted(error, Vec::new()));
        if id.is_empty() {
            return refuse(ErrorCode::INVALID_GROUP_ID);
        }
        let Some(group) = self.table.get(id) else {
            return refuse(ErrorCode::GROUP_ID_NOT_FOUND);
        };
        if let Kind::Classic(classic) = &group.kind
            && !classic.is_empty()
            && !classic.uses_consumer_protocol()
        {
            return refuse(ErrorCode::NON_EMPTY_GROUP);
        }
        let mut records = Vec::new();
        let mut codes = Vec::with_capacity(topics.len());
        for (topic, partitions) in topics {
            if group.is_subscribed(topic) {
                codes.push(vec![ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC; partitions.len()]);
                continue;
            }
            codes.push(vec![ErrorCode::NONE; partitions.len()]);
            let known = partitions.iter().filter(|&&one| group.offsets.get(topic, one).is_some());
            records.extend(known.map(|&one| offsets::tombstone(id, topic, one)));
        }
        if !self.cut_to_fit(&mut records, 0) {
            return refuse(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        self.take(&records, None, now);
        let answer = Answer::OffsetsDeleted(ErrorCode::NONE, codes);
        Out { records, ..Out::answer(call, answer) }
    }

    /// What was committed for topics that are gone is gone with them.
    pub(super) fn forget(&mut self, topics: Vec<String>, now: Now) -> Out {
        self.forgotten.extend(topics);
        self.sweep(now)
    }

    /// Removes what is left of deleted topics, as much as one batch takes.
    pub(super) fn sweep(&mut self, now: Now) -> Out {
        let mut records = Vec::new();
        for (id, group) in &self.table {
            for topic in &self.forgotten {
                let partitions = group.offsets.topics().find(|(name, _)| *name == topic.as_str());
                let partitions = partitions.into_iter().flat_map(|(_, partitions)| partitions);
                records.extend(partitions.map(|(&one, _)| offsets::tombstone(id, topic, one)));
            }
        }
        if self.cut_to_fit(&mut records, 0) {
            self.forgotten.clear();
        } else {
            self.expire_at(now.at);
        }
        self.take(&records, None, now);
        Out { records, ..Out::default() }
    }
}
