//! OffsetCommit and TxnOffsetCommit: how far a group has come.

use super::offsets::{self, Committed};
use super::request::{Answer, Commit, CommitPartition};
use super::turn::Out;
use super::{Groups, Kind};
use crate::base::planted;
use crate::config::limits::GROUPS_PER_PARTITION_MAX;
use crate::coordinator::{Call, Entry, Now, Record, Writer, batch_bytes};
use crate::model::ErrorCode;

impl Groups {
    pub(super) fn commit(&mut self, call: Call, group: &str, commit: Commit, now: Now) -> Out {
        let all = |error: ErrorCode| {
            let topics = commit.topics.iter().map(|topic| vec![error; topic.partitions.len()]);
            Out::answer(call, Answer::Committed(topics.collect()))
        };
        if let Err(error) = self.check_commit(group, &commit, now) {
            return all(error);
        }
        let metadata_max = self.rules.config.offset_metadata_max_bytes as usize;
        let expire_ms = commit.retention_ms.map(|ms| now.unix_ms.saturating_add(ms));
        let mut records: Vec<Record> = Vec::new();
        let mut codes = Vec::with_capacity(commit.topics.len());
        for topic in &commit.topics {
            let mut of_topic = Vec::with_capacity(topic.partitions.len());
            for CommitPartition { partition, offset, leader_epoch, metadata } in &topic.partitions {
                if metadata.encode_utf16().count() > metadata_max {
                    of_topic.push(ErrorCode::OFFSET_METADATA_TOO_LARGE);
                    continue;
                }
                let committed = Committed {
                    offset: *offset,
                    leader_epoch: *leader_epoch,
                    metadata: metadata.as_str().into(),
                    commit_ms: now.unix_ms,
                    expire_ms,
                    order: 0,
                };
                records.push(offsets::record(group, &topic.name, *partition, &committed));
                of_topic.push(ErrorCode::NONE);
            }
            codes.push(of_topic);
        }
        if batch_bytes(&records) > self.rules.batch_bytes_max {
            return all(ErrorCode::INVALID_COMMIT_OFFSET_SIZE);
        }
        let outside = planted::is("offsets-outside-the-transaction");
        let writer = commit.writer.filter(|_| !records.is_empty() && !outside);
        self.take(&records, writer, now);
        Out { records, writer, ..Out::answer(call, Answer::Committed(codes)) }
    }

    /// Applies records that are about to be written.
    pub(super) fn take(&mut self, records: &[Record], writer: Option<Writer>, now: Now) {
        for Record { key, value } in records {
            self.replay(Entry::Record { key, value: value.as_deref(), writer }, now);
        }
    }

    /// Whether it may commit; a member that may shows that it is alive with that.
    fn check_commit(&mut self, id: &str, commit: &Commit, now: Now) -> Result<(), ErrorCode> {
        let checked = self.with(id, now, |group, turn| {
            let classic = match &mut group.kind {
                Kind::Classic(classic) => classic,
                Kind::Consumer(consumer) => return consumer.check_commit(commit),
            };
            classic.check_commit(&commit.who, commit.writer.is_some())?;
            if commit.writer.is_none() {
                classic.committed(&commit.who.member, turn);
            }
            Ok(())
        });
        match checked {
            Some((checked, _)) => checked,
            // A consumer without a group's help commits under a name that becomes a group by that.
            None if commit.who.generation < 0 => {
                match self.table.len() < GROUPS_PER_PARTITION_MAX {
                    true => Ok(()),
                    false => Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
                }
            }
            None if commit.writer.is_some() => Err(ErrorCode::ILLEGAL_GENERATION),
            None => Err(ErrorCode::GROUP_ID_NOT_FOUND),
        }
    }
}
