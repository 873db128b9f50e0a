//! A partition whose log is about to go on elsewhere: for the few moments in which it has two, appends
//! are kept aside in their order, and reads wait. Nobody is refused, and nobody sees half of it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::append_group::{AppendGroup, AppendResult};
use super::message::{AckWait, Proof};
use super::partition::Partition;
use super::relocation::Relocation;
use crate::base::buf::Buf;
use crate::base::planted;
use crate::base::signal::Broadcast;
use crate::log::Records;
use crate::model::error_code::ErrorCode;

/// Bytes of records kept aside for one partition; what comes then is to be tried again.
const KEPT_BYTES_MAX: usize = 32 << 20;

#[derive(Default)]
pub(super) struct Hold {
    is_on: Cell<bool>,
    kept: RefCell<VecDeque<Kept>>,
    kept_bytes: Cell<usize>,
    /// Requests that are reading the log.
    users: Cell<usize>,
    changed: Broadcast,
    moving: RefCell<Option<Rc<Relocation>>>,
    is_retired: Cell<bool>,
}

/// One record set that waits.
struct Kept {
    buf: Buf,
    start: usize,
    proof: Proof,
    wait: AckWait,
    group: Rc<AppendGroup>,
    index: usize,
}

impl Hold {
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.is_on.get()
    }

    pub(super) fn keep(
        &self,
        records: Records<'_>,
        proof: Proof,
        wait: AckWait,
        group: &Rc<AppendGroup>,
        index: usize,
    ) {
        let bytes = self.kept_bytes.get() + records.bytes().len();
        if bytes > KEPT_BYTES_MAX {
            group.settle(index, AppendResult::failed(ErrorCode::NOT_LEADER_OR_FOLLOWER));
            return;
        }
        self.kept_bytes.set(bytes);
        let (buf, start) = match records {
            Records::Copy(bytes) => (Buf::copy_of(bytes), 0),
            Records::Adopt { buf, start } => (buf, start),
        };
        let group = group.clone();
        self.kept.borrow_mut().push_back(Kept { buf, start, proof, wait, group, index });
    }

    /// The right to use the log by its files' names, until it is dropped.
    pub(super) async fn use_log(&self) -> Using<'_> {
        while self.is_on.get() {
            self.changed.wait().await;
        }
        self.users.set(self.users.get() + 1);
        Using(self)
    }

    pub(super) fn moving(&self) -> Option<Rc<Relocation>> {
        self.moving.borrow().clone()
    }

    pub(super) fn set_moving(&self, moving: Option<Rc<Relocation>>) {
        *self.moving.borrow_mut() = moving;
    }

    /// The topic is gone.
    pub(super) fn retire(&self) {
        self.is_retired.set(true);
        if let Some(moving) = self.moving() {
            moving.cancel();
        }
    }

    pub(super) fn is_retired(&self) -> bool {
        self.is_retired.get()
    }
}

/// See [`Hold::use_log`].
pub(super) struct Using<'a>(&'a Hold);

impl Drop for Using<'_> {
    fn drop(&mut self) {
        self.0.users.set(self.0.users.get() - 1);
        self.0.changed.raise();
    }
}

impl Partition {
    /// Keeps appends and reads aside until the result is dropped, and waits for the reads that have
    /// begun.
    pub(super) async fn hold_on(self: &Rc<Self>) -> Held {
        assert!(!self.hold.is_on.replace(true), "one move at a time");
        let held = Held(self.clone());
        while self.hold.users.get() > 0 {
            self.hold.changed.wait().await;
        }
        held
    }
}

/// See [`Partition::hold_on`].
pub(super) struct Held(Rc<Partition>);

impl Drop for Held {
    fn drop(&mut self) {
        let hold = &self.0.hold;
        hold.is_on.set(false);
        hold.kept_bytes.set(0);
        let kept = std::mem::take(&mut *hold.kept.borrow_mut());
        for Kept { buf, start, proof, wait, group, index } in kept {
            if planted::is("forget-what-was-kept-aside") {
                group.settle(
                    index,
                    AppendResult {
                        base_offset: self.0.log().end_offset(),
                        ..AppendResult::failed(ErrorCode::NONE)
                    },
                );
            } else if hold.is_retired.get() {
                let gone = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                group.settle(index, AppendResult::failed(gone));
            } else {
                self.0.append(Records::Copy(&buf[start..]), proof, wait, &group, index);
            }
        }
        hold.changed.raise();
    }
}
