//! Whether a member may commit, or ask what was (KIP-848; KIP-1251 for commits from before the member heard
//! of its epoch).

use super::Consumer;
use super::member::Member;
use crate::base::planted;
use crate::coordinator::group::request::{Commit, CommitTopic};
use crate::model::ErrorCode;

impl Consumer {
    pub fn check_commit(&self, commit: &Commit) -> Result<(), ErrorCode> {
        let (who, transactional) = (&commit.who, commit.writer.is_some());
        if who.generation < 0 && self.is_empty() {
            // From a consumer that manages its partitions itself, or from an administrator.
            return Ok(());
        }
        let is_anonymous = who.member.is_empty() && who.instance.is_none();
        if transactional && who.generation == -1 && is_anonymous {
            return Ok(());
        }
        let member = self.members.get(who.member.as_str()).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        if !transactional && member.classic.is_none() && !commit.knows_epochs {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        let is_good = who.generation == member.epoch
            || who.generation < member.epoch
                && commit.topics.iter().all(|topic| member.had(topic, who.generation));
        match is_good || planted::is("commit-from-an-old-epoch") {
            true => Ok(()),
            false => Err(member.stale()),
        }
    }

    /// Whether somebody who says that it is this member, of this epoch, may know what was committed.
    pub fn check_fetch(&self, member: &str, epoch: i32) -> Result<(), ErrorCode> {
        let member = self.members.get(member).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        if epoch == member.epoch { Ok(()) } else { Err(member.stale()) }
    }
}

impl Member {
    fn stale(&self) -> ErrorCode {
        match self.classic {
            Some(_) => ErrorCode::ILLEGAL_GENERATION,
            None => ErrorCode::STALE_MEMBER_EPOCH,
        }
    }

    /// Whether it has had all these partitions ever since this epoch.
    fn had(&self, topic: &CommitTopic, epoch: i32) -> bool {
        topic.partitions.iter().all(|one| {
            let held = [&self.assigned, &self.revoking].into_iter();
            let mut since = held.filter_map(|held| held.get(&topic.id)?.get(&one.partition));
            since.next().is_some_and(|&since| epoch >= since)
        })
    }
}
