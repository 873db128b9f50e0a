//! The way to a machine, wherever it lives.

use std::rc::Rc;

use super::{Coordinated, TransactionEnd};
use crate::coordinator::hash::partition_of;
use crate::coordinator::{Writer, group, txn};
use crate::model::{ErrorCode, PartitionId};
use crate::shard::Shard;
use crate::shard::message::{Proof, Reply, Request};

/// A request to a machine of another core.
pub enum Errand {
    Group(PartitionId, Box<group::Request>),
    Txn(PartitionId, Box<txn::Request>),
    /// A commit of offsets that is part of a transaction.
    GroupInTxn(PartitionId, Box<group::Request>, Writer, Proof),
}

/// What it said.
pub enum Ruling {
    Group(Result<group::Answer, ErrorCode>),
    Txn(Result<txn::Answer, ErrorCode>),
}

impl Shard {
    /// The machine of a group or a transactional id: its partition and its core.
    pub fn coordinator_of<M: Coordinated>(&self, key: &str) -> Option<(PartitionId, usize)> {
        let topic = self.topic(M::TOPIC)?;
        let partition = partition_of(key, topic.partitions.len());
        Some((PartitionId(partition), topic.partition(partition)?.core))
    }

    /// Asks the machine of a key, on this core or another.
    pub async fn coordinate<M: Coordinated>(
        self: &Rc<Self>,
        key: &str,
        request: M::Request,
    ) -> Result<M::Answer, ErrorCode> {
        let (partition, core) = self.coordinator_of::<M>(key).ok_or(ErrorCode::NOT_COORDINATOR)?;
        self.coordinate_at::<M>(partition, core, request).await
    }

    /// Asks the machine of a partition, which lives on this core or another.
    pub async fn coordinate_at<M: Coordinated>(
        self: &Rc<Self>,
        partition: PartitionId,
        core: usize,
        request: M::Request,
    ) -> Result<M::Answer, ErrorCode> {
        if core == self.core() {
            return self.coordinate_here::<M>(partition, request).await;
        }
        if core >= self.cores() {
            return Err(ErrorCode::NOT_COORDINATOR);
        }
        let errand = M::errand(partition, request);
        match self.call(core, Request::Coordinate(errand)).await {
            Some(Reply::Coordinated(ruling)) => {
                M::ruling(ruling).unwrap_or(Err(ErrorCode::UNKNOWN_SERVER_ERROR))
            }
            _ => Err(ErrorCode::NOT_COORDINATOR),
        }
    }

    pub async fn coordinate_here<M: Coordinated>(
        self: &Rc<Self>,
        partition: PartitionId,
        request: M::Request,
    ) -> Result<M::Answer, ErrorCode> {
        let seat = M::seats(self).get(partition).ok_or(ErrorCode::NOT_COORDINATOR)?;
        let told = seat.ask(self, request)?;
        told.await.unwrap_or(Err(ErrorCode::NOT_COORDINATOR))
    }

    /// Partitions of this kind that are at home on this core.
    pub fn seated<M: Coordinated>(&self) -> Vec<PartitionId> {
        M::seats(self).all().iter().map(|seat| seat.partition.index).collect()
    }

    /// Ends a transaction in a partition of this kind that is at home on this core: its records
    /// count from now on, or never. Returns when that is safe.
    pub async fn end_transaction_here<M: Coordinated>(
        self: &Rc<Self>,
        partition: PartitionId,
        end: &TransactionEnd,
    ) -> Result<(), ErrorCode> {
        let seat = M::seats(self).get(partition).ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
        seat.end_transaction(self, end).await
    }

    /// For another core.
    pub(in crate::shard) async fn run_errand(self: &Rc<Self>, errand: Errand) -> Ruling {
        match errand {
            Errand::Group(partition, request) => {
                Ruling::Group(self.coordinate_here::<group::Groups>(partition, *request).await)
            }
            Errand::GroupInTxn(partition, request, writer, proof) => {
                Ruling::Group(self.commit_here(partition, *request, writer, proof).await)
            }
            Errand::Txn(partition, request) => {
                Ruling::Txn(self.coordinate_here::<txn::TxnMachine>(partition, *request).await)
            }
        }
    }
}
