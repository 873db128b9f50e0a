//! What the log says becomes what is, once more or for the first time.

use std::rc::Rc;

use super::classic::Classic;
use super::consumer::Consumer;
use super::offsets::Committed;
use super::{Group, Groups, Kind, Offsets};
use crate::coordinator::{Entry, Now, Writer};
use crate::wire::internal::GroupRecord;

impl Groups {
    /// Commits are applied by this alone. A group's own record is what the group already was when
    /// it was written, so that only a load looks into it.
    pub(super) fn replay(&mut self, entry: Entry<'_>, _: Now) {
        let (key, value, writer) = match entry {
            Entry::Record { key, value, writer } => (key, value, writer),
            Entry::Marker { writer, commit } => return self.decide_transaction(writer, commit),
        };
        // What a later Kafka keeps here is none of our business, and stays in the log.
        let Ok(record) = GroupRecord::decode(key, value) else { return };
        match record {
            GroupRecord::OffsetCommit(key, value) => {
                self.applied += 1;
                let committed = value.map(|value| Committed::of(&value, self.applied));
                self.replay_commit(key.group, key.topic, key.partition, committed, writer);
            }
            GroupRecord::LegacyOffsetCommit(key, value) => {
                self.applied += 1;
                let committed = value.map(|value| Committed {
                    offset: value.offset,
                    leader_epoch: -1,
                    metadata: value.metadata.into(),
                    commit_ms: value.commit_timestamp,
                    expire_ms: None,
                    order: self.applied,
                });
                self.replay_commit(key.group, key.topic, key.partition, committed, writer);
            }
            GroupRecord::Group(key, Some(value)) => {
                let id: Rc<str> = key.group.into();
                let kind = Kind::Classic(Box::new(Classic::from_record(id.clone(), &value)));
                match self.table.get_mut(&id) {
                    Some(group) => group.kind = kind,
                    None => {
                        self.table.insert(id, Group { kind, offsets: Offsets::default() });
                    }
                }
            }
            GroupRecord::Group(key, None) => {
                // A group that went over to the new protocol has left this record behind.
                if self.consumer(key.group).is_none() {
                    self.drop_group(key.group);
                }
            }
            GroupRecord::ConsumerGroup(key, None) => {
                if self.consumer(key.group_id).is_some() {
                    self.drop_group(key.group_id);
                }
            }
            GroupRecord::ConsumerGroup(ref key, Some(_)) => self.of_consumer(key.group_id, &record),
            GroupRecord::PartitionMetadata(ref key, _) => self.of_consumer(key.group_id, &record),
            GroupRecord::Member(ref key, _) => self.of_consumer(key.group_id, &record),
            GroupRecord::TargetAssignment(ref key, _) => self.of_consumer(key.group_id, &record),
            GroupRecord::TargetAssignmentMember(ref key, _) => {
                self.of_consumer(key.group_id, &record);
            }
            GroupRecord::CurrentMemberAssignment(ref key, _) => {
                self.of_consumer(key.group_id, &record);
            }
            GroupRecord::RegularExpression(ref key, _) => self.of_consumer(key.group_id, &record),
        }
    }

    /// Applies a record of a group of the new protocol, which may be the first one of it.
    fn of_consumer(&mut self, id: &str, record: &GroupRecord<'_>) {
        if self.consumer(id).is_none() {
            if Consumer::takes_back(record) {
                return;
            }
            let (id, offsets) = match self.table.remove_entry(id) {
                Some((id, group)) => (id, group.offsets),
                None => (id.into(), Offsets::default()),
            };
            let kind = Kind::Consumer(Box::new(Consumer::new(id.clone())));
            self.table.insert(id, Group { kind, offsets });
        }
        let Some((id, _)) = self.table.get_key_value(id) else { return };
        let id = id.clone();
        let Some(consumer) = self.table.get_mut(&id).and_then(Group::consumer) else { return };
        consumer.apply(record);
        let shifts = consumer.take_shifts();
        self.note_shifts(&id, shifts);
    }

    /// The group is gone; offsets of it that are not stay, as they do in the log.
    pub(super) fn drop_group(&mut self, id: &str) {
        let Some((id, group)) = self.table.remove_entry(id) else { return };
        if let Kind::Consumer(consumer) = &group.kind {
            let topics = consumer.topics().cloned().map(|topic| (topic, false)).collect();
            self.note_shifts(&id, topics);
        }
        if !group.offsets.is_empty() {
            let mut left = Group::new(id.clone());
            left.offsets = group.offsets;
            self.table.insert(id, left);
        }
    }

    fn replay_commit(
        &mut self,
        group: &str,
        topic: &str,
        partition: i32,
        committed: Option<Committed>,
        writer: Option<Writer>,
    ) {
        if !self.table.contains_key(group) {
            if committed.is_none() {
                return;
            }
            self.table.insert(group.into(), Group::new(group.into()));
        }
        let Some((id, _)) = self.table.get_key_value(group) else { return };
        let id = id.clone();
        let Some(known) = self.table.get_mut(group) else { return };
        match (committed, writer) {
            (Some(committed), None) => known.offsets.put(topic, partition, committed),
            (None, None) => known.offsets.remove(topic, partition),
            (Some(committed), Some(writer)) => {
                let producer = writer.producer_id;
                known.offsets.put_pending(producer, topic, partition, committed);
                self.writers.entry(producer).or_default().insert(id);
            }
            (None, Some(writer)) => {
                known.offsets.remove_pending(writer.producer_id, topic, partition);
            }
        }
    }

    fn decide_transaction(&mut self, writer: Writer, commit: bool) {
        for id in self.writers.remove(&writer.producer_id).unwrap_or_default() {
            if let Some(group) = self.table.get_mut(&id) {
                group.offsets.decide(writer.producer_id, commit);
            }
        }
    }
}
