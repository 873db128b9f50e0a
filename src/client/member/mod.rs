//! A member of a classic consumer group: it joins, shares partitions out when it is the leader,
//! shows that it is alive, commits, and leaves. What is read in its name is for its owner to do.
//!
//! It has a connection of its own to the coordinator, because an answer to JoinGroup may be long in
//! coming and answers come in the order of requests. A task sends heartbeats; what they tell of the
//! group is asked for by [`Member::news`].

mod assignor;
mod seat;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use crate::client::{
    Cluster, CommittedOffset, Connection, Error, Result, Scope, committed_and_stable,
};
use crate::model::{ErrorCode, Offset};
use crate::rt::{self, Task};
use crate::wire::messages::leave_group::{LeaveGroup, LeaveGroupRequest, MemberIdentity};
use crate::wire::messages::offset_commit::{
    OffsetCommit, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
pub use assignor::{Assignments, Assignor, Place, Wish};
pub use seat::Seat;
use standing::{Standing, news_of};

/// Topics are named by id from here on.
const COMMIT_BY_ID: i16 = 10;

#[derive(Clone, Debug)]
pub struct MemberOptions {
    pub group: String,
    pub topics: Vec<String>,
    /// In the order of preference. Only one that cooperates lets members keep what they read while
    /// the group shares anew.
    pub assignors: Vec<Assignor>,
    /// A name that outlives the process (KIP-345).
    pub instance: Option<String>,
    /// After how much silence the group gives the member up.
    pub session_timeout: Duration,
    /// How long the group waits for it when it shares anew.
    pub rebalance_timeout: Duration,
}

impl MemberOptions {
    /// Whether it keeps what it reads while the group shares anew.
    pub fn cooperates(&self) -> bool {
        self.assignors == [Assignor::CooperativeSticky]
    }
}

/// What a heartbeat or a commit said of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It shares anew: join again; until then what was read may be committed.
    Sharing,
    /// It has given this member up: what it read is no longer its own.
    Lost(Error),
    /// It will not have this member back.
    Fenced(Error),
}

pub struct Member {
    standing: Rc<Standing>,
    _beats: Task<()>,
}

impl Member {
    pub fn new(cluster: Rc<Cluster>, options: MemberOptions) -> Member {
        assert!(!options.assignors.is_empty(), "members agree on an assignor");
        let standing = Rc::new(Standing::new(cluster, options));
        let _beats = rt::spawn(standing.clone().beat());
        Member { standing, _beats }
    }

    pub fn options(&self) -> &MemberOptions {
        &self.standing.options
    }

    fn cluster(&self) -> &Cluster {
        &self.standing.cluster
    }

    /// As the group knows it; empty before it has joined.
    pub fn id(&self) -> String {
        self.standing.id.borrow().clone()
    }

    /// Waits until there is something to know. It stays until the next `join`.
    pub async fn news(&self) -> News {
        loop {
            if let Some(news) = self.standing.news.borrow().clone() {
                return news;
            }
            self.standing.changed.wait().await;
        }
    }

    /// Whether it may keep what it reads when it joins again.
    pub fn keeps(&self) -> bool {
        self.options().cooperates() && self.standing.generation.get() >= 0
    }

    /// Joins, or joins again, and yields what it was given. `owned` is what it reads and keeps
    /// meanwhile. Tries as long as failures may pass.
    pub async fn join(&self, owned: &BTreeSet<Place>) -> Result<Seat> {
        self.standing.is_in.set(false);
        let seat = self.cluster().retry(async || {
            loop {
                let taken = seat::take(self, owned).await;
                match taken.as_ref().err().and_then(Error::code) {
                    // Somebody came or went before the parts were given out: once more, at once.
                    Some(ErrorCode::REBALANCE_IN_PROGRESS | ErrorCode::ILLEGAL_GENERATION) => {}
                    Some(ErrorCode::UNKNOWN_MEMBER_ID) => self.forget(),
                    _ => {
                        if taken.is_err() {
                            self.standing.disconnect();
                        }
                        return taken;
                    }
                }
            }
        });
        let seat = seat.await?;
        *self.standing.news.borrow_mut() = None;
        self.standing.is_in.set(true);
        Ok(seat)
    }

    fn forget(&self) {
        self.standing.forget();
    }

    async fn connection(&self) -> Result<Rc<Connection>> {
        self.standing.connection().await
    }

    /// What the group has committed; waits for transactions that hold some of it.
    pub async fn committed(&self) -> Result<BTreeMap<Place, CommittedOffset>> {
        committed_and_stable(self.cluster(), &self.options().group).await
    }

    /// Commits as this member of this generation. What the group says to that is news, and nothing
    /// was committed then.
    pub async fn commit(&self, offsets: &BTreeMap<Place, Offset>) -> Result<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        let done = self.cluster().retry(async || {
            let done = self.commit_once(offsets).await;
            if done.is_err() {
                let lost = done.as_ref().err().is_some_and(|error| error.code().is_none());
                let moved = done.as_ref().err().and_then(Error::code);
                if lost || moved == Some(ErrorCode::NOT_COORDINATOR) {
                    self.standing.disconnect();
                }
            }
            done
        });
        let done = done.await;
        if let Some(news) = done.as_ref().err().and_then(news_of) {
            self.standing.tell(news);
        }
        done
    }

    async fn commit_once(&self, offsets: &BTreeMap<Place, Offset>) -> Result<()> {
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition<'_>>> = BTreeMap::new();
        for ((topic, partition), offset) in offsets {
            topics.entry(topic).or_default().push(OffsetCommitRequestPartition {
                partition_index: *partition,
                committed_offset: *offset,
                committed_metadata: Some(""),
                ..Default::default()
            });
        }
        let connection = self.connection().await?;
        let version = connection.version_at_most::<OffsetCommit>(COMMIT_BY_ID - 1)?;
        let member_id = self.id();
        let request = OffsetCommitRequest {
            group_id: &self.options().group,
            generation_id_or_member_epoch: self.standing.generation.get(),
            member_id: &member_id,
            group_instance_id: self.options().instance.as_deref(),
            topics: topics
                .into_iter()
                .map(|(name, partitions)| OffsetCommitRequestTopic {
                    name,
                    partitions,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        let answer = connection.send::<OffsetCommit>(version, &request).answer().await?;
        let response = answer.decode()?;
        let results = response.topics.iter().flat_map(|topic| &topic.partitions);
        match results.map(|one| one.error_code).find(|code| !code.is_none()) {
            Some(code) => Err(self.refused(code)),
            None => Ok(()),
        }
    }

    /// Leaves, so that the others need not wait until it is missed. A static member stays: its name
    /// is kept for it until its session ends.
    pub async fn leave(&self) -> Result<()> {
        let member_id = self.id();
        if !self.standing.is_in.replace(false) {
            // An answer to JoinGroup may be in the way.
            self.standing.disconnect();
        }
        if member_id.is_empty() || self.options().instance.is_some() {
            return Ok(());
        }
        let member = MemberIdentity {
            member_id: &member_id,
            group_instance_id: None,
            reason: Some("the consumer is closed"),
        };
        let request = LeaveGroupRequest {
            group_id: &self.options().group,
            member_id: &member_id,
            members: vec![member],
        };
        let answer = self.connection().await?.call::<LeaveGroup>(&request).await?;
        let response = answer.decode()?;
        let codes = response.members.iter().map(|member| member.error_code);
        let code = codes.chain([response.error_code]).find(|code| !code.is_none());
        match code {
            None | Some(ErrorCode::UNKNOWN_MEMBER_ID) => Ok(()),
            Some(code) => Err(self.refused(code)),
        }
    }

    fn refused(&self, code: ErrorCode) -> Error {
        Error::refused(format!("group {}", self.options().group), code, None)
    }

    /// Partitions of the topics it reads, as they are now; topics that are missing are left out.
    pub async fn partitions(&self) -> Result<BTreeMap<String, usize>> {
        let names = self.options().topics.iter().map(String::as_str);
        partitions(self.cluster(), &names.collect()).await
    }
}

async fn partitions(cluster: &Cluster, names: &BTreeSet<&str>) -> Result<BTreeMap<String, usize>> {
    let names: Vec<&str> = names.iter().copied().collect();
    let metadata = cluster.metadata(Scope::Topics(&names)).await?;
    let there = metadata.topics.into_iter().filter(|(_, topic)| topic.error.is_none());
    Ok(there.map(|(name, topic)| (name, topic.partitions.len())).collect())
}
