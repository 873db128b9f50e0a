//! What is to be done, before it is: records, what is answered, and what moves with them that is not
//! written down.

use std::rc::Rc;

use crate::coordinator::Record;
use crate::coordinator::group::request::{Answer, Beaten};
use crate::model::ErrorCode;

#[derive(Debug, Default)]
pub(in crate::coordinator::group) struct Plan {
    pub records: Vec<Record>,
    pub soft: Vec<Soft>,
}

/// What does not last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::coordinator::group) enum Soft {
    /// The member lives on for so many milliseconds without a word.
    Session(Rc<str>, i32),
    /// It has to give partitions up within so many milliseconds; `None`: it has nothing to.
    Revocation(Rc<str>, Option<i32>),
    /// It has joined by the classic protocol, and asks for its part within so many milliseconds.
    Joined(Rc<str>, i32),
    /// The topics subscribed to were looked at.
    Checked,
    /// Patterns have to be matched.
    Resolve,
}

/// Why not, in words that clients may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::coordinator::group) struct Refusal {
    pub code: ErrorCode,
    pub message: String,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }

    pub fn beaten(self) -> Answer {
        Answer::Beaten(Box::new(Beaten {
            error: self.code,
            message: Some(self.message),
            ..Beaten::default()
        }))
    }
}
