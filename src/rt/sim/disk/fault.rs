//! Faults by schedule: the n-th operation of a kind on files whose path contains a text.

use std::time::Duration;

/// What an operation does to the disk, as far as faults tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOp {
    Open,
    Read,
    Write,
    Sync,
    SyncDir,
    Allocate,
    Truncate,
    Rename,
    Remove,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// EIO. A failed write leaves any part of its bytes; a failed sync of buffered writes leaves
    /// any part of them durable, and the rest never will be.
    Eio,
    /// ENOSPC, whatever the capacity.
    Enospc,
    /// Takes this much longer.
    Stall(Duration),
    /// A write says it is done and has changed nothing; a sync, and nothing became durable.
    Lie,
    /// A write goes some blocks astray within its file.
    Misdirect,
    /// A read or write flips one bit of what passes (a write stores it so).
    Flip,
}

/// One fault, waiting for its operation.
#[derive(Clone, Debug)]
pub struct FaultRule {
    op: DiskOp,
    fault: Fault,
    path: String,
    skip: u64,
    times: u64,
}

impl FaultRule {
    /// The next operation of this kind on any file.
    pub fn new(op: DiskOp, fault: Fault) -> FaultRule {
        FaultRule { op, fault, path: String::new(), skip: 0, times: 1 }
    }

    /// Only paths that contain this text (as they were opened).
    pub fn on(mut self, path: &str) -> FaultRule {
        self.path = path.to_owned();
        self
    }

    /// Lets the first `count` operations pass.
    pub fn after(mut self, count: u64) -> FaultRule {
        self.skip = count;
        self
    }

    pub fn times(mut self, count: u64) -> FaultRule {
        self.times = count;
        self
    }

    pub fn always(self) -> FaultRule {
        self.times(u64::MAX)
    }

    /// Counts an operation; `Some` when it is to fail.
    pub(super) fn hit(&mut self, op: DiskOp, path: &str) -> Option<Fault> {
        if self.op != op || !path.contains(&self.path) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times = self.times.checked_sub(1)?;
        Some(self.fault)
    }
}
