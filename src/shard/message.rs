//! Everything one core may say to another. Closed: a closure never crosses a core.
//!
//! A request carries a call number of the asking core; its answer carries it back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::append_group::AppendResult;
use super::coordinators::{Errand, Ruling};
use super::directories::Known;
use super::markers::MarkOrder;
use super::offline::Outage;
use super::proposal::{Decision, Proposal};
use super::query::{Answer, Query};
use crate::base::buf::Buf;
use crate::cluster::ClusterImage;
use crate::log::Allowance;
use crate::log::producers::Guard;
use crate::model::error_code::ErrorCode;
use crate::model::ids::{PartitionId, TopicId};
use crate::rt::CoreStats;

pub enum Message {
    Request { call: usize, request: Request },
    Reply { call: usize, reply: Reply },
}

pub enum Request {
    /// Record sets for partitions of the receiving core, in order.
    Append { wait: AckWait, records: Vec<RemoteRecords> },
    /// Questions about partitions of the receiving core.
    Ask(Vec<Query>),
    /// Answered when one of the partitions has more to read, or after the time.
    Watch { partitions: Vec<(TopicId, PartitionId)>, wait: Duration },
    /// To a coordinator of the receiving core.
    Coordinate(Errand),
    /// The end of a transaction, for partitions of the receiving core.
    Mark(Box<MarkOrder>),
    /// To the metadata core: a change of the cluster.
    Propose(Proposal),
    /// From the metadata core, before anything else: the data directories.
    Use(Arc<Vec<Known>>),
    /// From the metadata core: answered when this core has made it true.
    Adopt(Arc<ClusterImage>),
    /// From the metadata core: write the checkpoint.
    Note,
    /// To the metadata core: look how much room is left in a directory; whether it was found full.
    Look { directory: usize, met_full: bool },
    /// From the metadata core: what may be taken in a directory.
    Allow { directory: usize, allowance: Allowance },
    /// A directory does not work any more: to the metadata core, and from there to all.
    Lose { directory: usize, reason: String },
    /// To the metadata core: whether so much may be copied to another directory now.
    Copy { bytes: u64 },
    /// What of the asking core is offline now.
    Outage(Outage),
    /// From the metadata core: listen.
    Open,
    /// What this core counted.
    Count,
    /// From the metadata core: end all connections, and go on answering other cores.
    Hush,
    /// From the metadata core, when no core has connections: close everything and end.
    Stop,
}

pub enum Reply {
    Appended(Vec<AppendResult>),
    Answers(Vec<Answer>),
    Watched,
    Coordinated(Ruling),
    /// A code for each partition, in order.
    Marked(Vec<ErrorCode>),
    Decided(Decision),
    Used,
    Adopted,
    Noted,
    Looked(Allowance),
    Allowed,
    Lost,
    /// How long to wait and ask again; it may when that is nothing.
    MayCopy(Duration),
    Heard,
    Opened(Result<SocketAddr, String>),
    Counters(CoreCounters),
    Hushed,
    Stopped,
}

/// When an append counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckWait {
    /// acks=0.
    Nothing,
    /// acks=1: the device write.
    Written,
    /// acks=all: the topic's durability level.
    Level,
}

/// That a record set belongs to a transaction under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is of none, or nobody wants to know.
    Needless,
    /// What the owner gave before the coordinator was asked, if it had to be.
    Guard(Option<Guard>),
}

/// One partition's records on their way to the owning core.
pub struct RemoteRecords {
    pub topic: TopicId,
    pub partition: PartitionId,
    pub proof: Proof,
    pub records: Buf,
}

/// What one core counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreCounters {
    pub requests: u64,
    /// Partitions of requests that were served on the core they came to.
    pub direct: u64,
    /// Partitions of requests that another core had to be asked for.
    pub forwarded: u64,
    /// Partitions opened, bytes of their logs that had to be scanned for it, and those of them that
    /// ended in what a crash left half written.
    pub opened: u64,
    pub scanned_bytes: u64,
    pub cut: u64,
    /// Record sets for which there was no room.
    pub refused: u64,
    /// Partitions that are offline now: a write, a flush or their opening has failed.
    pub offline: u64,
    /// Of the side ring.
    pub runtime: CoreStats,
}

impl std::fmt::Display for CoreCounters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let CoreCounters { requests, direct, forwarded, refused, offline, runtime, .. } = self;
        let CoreStats { operations, enters, sleeps, zero_copy_sends, zero_copy_refused } = runtime;
        write!(
            f,
            "{requests} requests, {direct} partitions direct and {forwarded} forwarded, \
             {refused} refused for want of room, {offline} partitions offline, \
             {operations} ring operations in {enters} system calls, {sleeps} sleeps, \
             {zero_copy_sends} zero-copy sends ({zero_copy_refused} copied by the kernel)"
        )
    }
}

impl std::ops::AddAssign for CoreCounters {
    fn add_assign(&mut self, other: CoreCounters) {
        self.requests += other.requests;
        self.direct += other.direct;
        self.forwarded += other.forwarded;
        self.opened += other.opened;
        self.scanned_bytes += other.scanned_bytes;
        self.cut += other.cut;
        self.refused += other.refused;
        self.offline += other.offline;
        self.runtime += other.runtime;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cores_counted_adds_up_and_tells_what_is_offline() {
        let mut total = CoreCounters { offline: 2, requests: 5, ..CoreCounters::default() };
        total += CoreCounters { offline: 1, refused: 7, ..CoreCounters::default() };
        let text = total.to_string();
        assert!(text.contains("5 requests"), "{text}");
        assert!(text.contains("7 refused for want of room, 3 partitions offline,"), "{text}");
    }
}
