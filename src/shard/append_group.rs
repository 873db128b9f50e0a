//! The partitions of one produce request: filled in one by one as they are acknowledged, and
//! complete when the last one is. Lives on the core whose connection asked.

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;

use crate::base::signal::Signal;
use crate::model::error_code::ErrorCode;

/// How one partition's append ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendResult {
    pub error: ErrorCode,
    /// Offset of the first record, −1 when it was not appended.
    pub base_offset: i64,
    /// Unix milliseconds with LogAppendTime, otherwise −1.
    pub append_time_ms: i64,
    pub log_start_offset: i64,
    /// Why not, where the code does not say it all.
    pub reason: Option<Box<Reason>>,
}

/// What a producer is told about records that were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub message: String,
    /// The records to blame, by their places in the batch; none when all are.
    pub records: Box<[i32]>,
}

impl AppendResult {
    pub fn failed(error: ErrorCode) -> AppendResult {
        AppendResult {
            error,
            base_offset: -1,
            append_time_ms: -1,
            log_start_offset: -1,
            reason: None,
        }
    }
}

/// Stands in a place that is not settled yet.
const PENDING: ErrorCode = ErrorCode::UNKNOWN_SERVER_ERROR;

pub struct AppendGroup {
    results: RefCell<Vec<AppendResult>>,
    open: Cell<usize>,
    /// Raised when the last partition is done.
    done: Rc<Signal>,
}

impl AppendGroup {
    pub fn new(done: Rc<Signal>) -> Rc<AppendGroup> {
        Rc::new(AppendGroup { results: RefCell::default(), open: Cell::new(0), done })
    }

    /// A place for one partition's result; every place must be settled once.
    pub fn add(&self) -> usize {
        let mut results = self.results.borrow_mut();
        results.push(AppendResult::failed(PENDING));
        self.open.set(self.open.get() + 1);
        results.len() - 1
    }

    pub fn settle(&self, index: usize, result: AppendResult) {
        self.results.borrow_mut()[index] = result;
        self.settled_one();
    }

    /// Keeps the group open while parts are still being added.
    pub fn hold(self: &Rc<Self>) -> Hold {
        self.open.set(self.open.get() + 1);
        Hold(self.clone())
    }

    fn settled_one(&self) {
        self.open.set(self.open.get() - 1);
        if self.open.get() == 0 {
            self.done.raise();
        }
    }

    pub fn first_error(&self) -> Option<ErrorCode> {
        let results = self.results.borrow();
        let settled = results.iter().filter(|r| r.error != ErrorCode::NONE);
        settled.map(|result| result.error).find(|&error| error != PENDING)
    }

    pub fn is_done(&self) -> bool {
        self.open.get() == 0
    }

    pub fn results(&self) -> Ref<'_, [AppendResult]> {
        Ref::map(self.results.borrow(), Vec::as_slice)
    }
}

/// See [`AppendGroup::hold`].
pub struct Hold(Rc<AppendGroup>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.settled_one();
    }
}
