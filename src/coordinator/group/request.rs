//! What a group's coordinator is asked and what it answers, as owned values: they cross cores.

use crate::model::{ErrorCode, TopicId};

/// One question about a group, or about all groups of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub group: String,
    pub ask: Ask,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Join(Box<Join>),
    Sync(Box<Sync>),
    Heartbeat(Identity),
    /// Of a group of the new protocol.
    Beat(Box<Beat>),
    Leave(Vec<Leaver>),
    Commit(Commit),
    Fetch(Fetch),
    /// Offsets of these partitions of these topics.
    DeleteOffsets(Vec<(String, Vec<i32>)>),
    Describe,
    /// As a group of the new protocol.
    DescribeConsumer,
    Delete,
    /// Every group that fits; an empty list of states or types takes all.
    List {
        states: Vec<String>,
        types: Vec<String>,
    },
    /// These topics are gone, and what was committed for them is.
    ForgetTopics(Vec<String>),
}

/// ConsumerGroupHeartbeat: who it is, and what has changed with it since the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// Members choose their ids themselves, from version 1 on.
    pub chooses_id: bool,
    pub member: String,
    /// 0 joins, -1 leaves, -2 leaves for a while (a static member).
    pub epoch: i32,
    pub instance: Option<String>,
    pub rack: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// -1: as before.
    pub rebalance_timeout_ms: i32,
    pub names: Option<Vec<String>>,
    pub pattern: Option<String>,
    pub assignor: Option<String>,
    pub owned: Option<Owned>,
}

/// Partitions that a member says it has.
pub type Owned = Vec<(TopicId, Vec<i32>)>;

/// Who says so: the member and the generation it believes in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub member: String,
    /// Set for a static member (KIP-345).
    pub instance: Option<String>,
    /// -1: none.
    pub generation: i32,
}

/// What a member can do, with what it has to say for each: in the order of its liking.
pub type Protocols = Vec<(String, Vec<u8>)>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Join {
    pub member: String,
    pub instance: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub protocol_type: String,
    pub protocols: Protocols,
    /// KIP-394: a new member is given its id first, and joins with it.
    pub needs_id: bool,
    /// KIP-814: the leader can be told that nothing has to be assigned.
    pub may_skip_assignment: bool,
    /// KIP-800.
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sync {
    pub who: Identity,
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    /// By member.
    pub assignments: Vec<(String, Vec<u8>)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaver {
    pub member: String,
    pub instance: Option<String>,
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    pub who: Identity,
    /// The client knows of members' epochs (KIP-848).
    pub knows_epochs: bool,
    /// Instead of the broker's retention, from versions that could say so.
    pub retention_ms: Option<i64>,
    /// Set: they count when this producer's transaction is committed.
    pub writer: Option<crate::coordinator::Writer>,
    pub topics: Vec<CommitTopic>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitTopic {
    pub name: String,
    pub id: TopicId,
    pub partitions: Vec<CommitPartition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitPartition {
    pub partition: i32,
    pub offset: i64,
    /// -1: not known.
    pub leader_epoch: i32,
    pub metadata: String,
}

impl CommitPartition {
    pub fn new(partition: i32, offset: i64, leader_epoch: i32, metadata: Option<&str>) -> Self {
        let metadata = metadata.unwrap_or_default().to_owned();
        CommitPartition { partition, offset, leader_epoch, metadata }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetch {
    /// `None`: of everything that was committed.
    pub topics: Option<Vec<(String, Vec<i32>)>>,
    /// Set: a member of this epoch asks.
    pub who: Option<(String, i32)>,
    /// Offsets that a transaction may still change are not told (KIP-447).
    pub require_stable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Joined(Box<Joined>),
    Synced(Synced),
    Beaten(Box<Beaten>),
    /// Heartbeats, deletions of groups, and whatever says no more than that.
    Code(ErrorCode),
    /// The code for all; then each leaver in the order of the request.
    Left(ErrorCode, Vec<ErrorCode>),
    /// For each partition in the order of the request.
    Committed(Vec<Vec<ErrorCode>>),
    Fetched(Vec<FetchedTopic>),
    /// To a fetch, or to a question about a consumer group.
    Refused(ErrorCode),
    /// The code for all; then each partition in the order of the request.
    OffsetsDeleted(ErrorCode, Vec<Vec<ErrorCode>>),
    Described(Box<Described>),
    DescribedConsumer(Box<DescribedConsumer>),
    Listed(Vec<Listed>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    pub error: ErrorCode,
    pub generation: i32,
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub leader: String,
    pub skip_assignment: bool,
    pub member: String,
    /// For the leader alone.
    pub members: Vec<JoinedMember>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinedMember {
    pub member: String,
    pub instance: Option<String>,
    pub metadata: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    pub error: ErrorCode,
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub assignment: Vec<u8>,
}

/// The answer to a [`Beat`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beaten {
    pub error: ErrorCode,
    pub message: Option<String>,
    pub member: Option<String>,
    pub epoch: i32,
    pub interval_ms: i32,
    /// What the member is to have, when that is news.
    pub assignment: Option<Owned>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchedTopic {
    pub name: String,
    pub partitions: Vec<FetchedOffset>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    pub partition: i32,
    pub error: ErrorCode,
    /// -1: nothing was committed.
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    pub error: ErrorCode,
    /// Why, where the code alone does not say.
    pub message: Option<String>,
    pub state: &'static str,
    pub protocol_type: String,
    /// The protocol that was voted for, while the group is stable.
    pub protocol: String,
    pub members: Vec<DescribedMember>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribedMember {
    pub member: String,
    pub instance: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub metadata: Vec<u8>,
    pub assignment: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribedConsumer {
    pub error: ErrorCode,
    pub message: Option<String>,
    pub state: &'static str,
    pub epoch: i32,
    pub assignment_epoch: i32,
    pub assignor: String,
    pub members: Vec<DescribedConsumerMember>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribedConsumerMember {
    pub member: String,
    pub instance: Option<String>,
    pub rack: Option<String>,
    pub epoch: i32,
    pub client_id: String,
    pub client_host: String,
    pub names: Vec<String>,
    pub pattern: String,
    pub assignment: Vec<DescribedPartitions>,
    pub target: Vec<DescribedPartitions>,
    /// It speaks the classic protocol.
    pub is_classic: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribedPartitions {
    pub id: TopicId,
    pub name: String,
    pub partitions: Vec<i32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    pub group: String,
    pub protocol_type: String,
    pub state: &'static str,
    pub kind: &'static str,
}

impl Joined {
    pub fn refused(error: ErrorCode, member: &str) -> Joined {
        Joined { error, generation: -1, member: member.to_owned(), ..Joined::default() }
    }
}

impl Synced {
    pub fn refused(error: ErrorCode) -> Synced {
        Synced { error, ..Synced::default() }
    }
}
