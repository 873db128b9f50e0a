//! What a handler gives back, and the promise to give it later.
//!
//! A connection answers in the order of its requests. Each request takes a [`Ticket`]; whoever holds
//! it answers once, at any time, from any task of the core.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::appending::Appending;
use crate::base::signal::Signal;
use crate::rt::Piece;

/// An answer on its way out.
pub enum Reply {
    /// One whole frame, length prefix and all.
    Frame(Vec<u8>),
    /// One whole frame in parts, some of which may lie in files.
    Pieces(Vec<Piece>),
    /// The request wants no answer (Produce with acks=0).
    Silent,
    /// The connection cannot go on; the reason is logged.
    Close(&'static str),
}

impl Reply {
    /// Bytes that it holds in memory.
    pub fn memory_bytes(&self) -> usize {
        let of_piece = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::File(_) => 0,
        };
        match self {
            Reply::Frame(bytes) => bytes.len(),
            Reply::Pieces(pieces) => pieces.iter().map(of_piece).sum(),
            Reply::Silent | Reply::Close(_) => 0,
        }
    }
}

enum Slot {
    Waiting,
    Ready(Reply),
    /// A produce request; its answer is written when its turn has come.
    Appending(Appending),
}

/// The answers a connection owes, in request order.
#[derive(Default)]
pub struct Replies {
    slots: RefCell<VecDeque<Slot>>,
    first: Cell<u64>,
    /// Of the answers that are there.
    memory_bytes: Cell<usize>,
    /// Raised when the first answer is there.
    pub ready: Rc<Signal>,
    /// Raised when answers have left.
    pub drained: Signal,
}

impl Replies {
    /// Answers owed or not yet sent.
    pub fn len(&self) -> usize {
        self.slots.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the answers that are there and cannot leave yet.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes.get()
    }

    /// Whether the answer of this sequence number has not been taken yet.
    pub fn owes(&self, sequence: u64) -> bool {
        sequence >= self.first.get()
    }

    /// The place of the next request's answer.
    pub fn ticket(self: &Rc<Self>) -> Ticket {
        let mut slots = self.slots.borrow_mut();
        let sequence = self.first.get() + slots.len() as u64;
        slots.push_back(Slot::Waiting);
        Ticket { replies: self.clone(), sequence, used: false }
    }

    /// The next answer to send, when it is there.
    pub fn pop(&self) -> Option<Reply> {
        let mut slots = self.slots.borrow_mut();
        match slots.front()? {
            Slot::Ready(_) => {}
            Slot::Appending(appending) if appending.is_done() => {}
            Slot::Appending(_) | Slot::Waiting => return None,
        }
        self.first.set(self.first.get() + 1);
        match slots.pop_front()? {
            Slot::Ready(reply) => {
                self.memory_bytes.set(self.memory_bytes.get() - reply.memory_bytes());
                Some(reply)
            }
            Slot::Appending(appending) => Some(Reply::Frame(appending.encode())),
            Slot::Waiting => None,
        }
    }

    fn set(&self, sequence: u64, slot: Slot) {
        let index = (sequence - self.first.get()) as usize;
        let ready = match &slot {
            Slot::Appending(appending) => appending.is_done(),
            Slot::Ready(_) | Slot::Waiting => true,
        };
        if let Slot::Ready(reply) = &slot {
            self.memory_bytes.set(self.memory_bytes.get() + reply.memory_bytes());
        }
        self.slots.borrow_mut()[index] = slot;
        if index == 0 && ready {
            self.ready.raise();
        }
    }
}

/// The right and the duty to answer one request. Dropped unused, it closes the connection: a
/// client must not wait for an answer that never comes.
pub struct Ticket {
    replies: Rc<Replies>,
    sequence: u64,
    used: bool,
}

impl Ticket {
    /// Counts the requests of the connection.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    pub fn answer(mut self, reply: Reply) {
        self.used = true;
        self.replies.set(self.sequence, Slot::Ready(reply));
    }

    /// Answers when the last partition is settled, which must raise [`Ticket::signal`].
    pub fn answer_when_appended(mut self, appending: Appending) {
        self.used = true;
        self.replies.set(self.sequence, Slot::Appending(appending));
    }

    /// To be raised when an answer may have become ready.
    pub fn signal(&self) -> Rc<Signal> {
        self.replies.ready.clone()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.used {
            let close = Reply::Close("a request was given up");
            self.replies.set(self.sequence, Slot::Ready(close));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_leave_in_the_order_of_their_requests() {
        let replies = Rc::new(Replies::default());
        let (first, second, third) = (replies.ticket(), replies.ticket(), replies.ticket());
        third.answer(Reply::Frame(vec![3]));
        second.answer(Reply::Silent);
        assert!(replies.pop().is_none());
        first.answer(Reply::Frame(vec![1]));
        assert_eq!((replies.memory_bytes(), replies.owes(0)), (2, true));
        assert!(matches!(replies.pop(), Some(Reply::Frame(bytes)) if bytes == [1]));
        assert_eq!((replies.memory_bytes(), replies.owes(0), replies.owes(1)), (1, false, true));
        assert!(matches!(replies.pop(), Some(Reply::Silent)));
        assert!(matches!(replies.pop(), Some(Reply::Frame(bytes)) if bytes == [3]));
        assert!(replies.pop().is_none());
        assert_eq!(replies.memory_bytes(), 0);
    }

    #[test]
    fn a_ticket_that_is_dropped_closes_the_connection() {
        let replies = Rc::new(Replies::default());
        drop(replies.ticket());
        assert!(matches!(replies.pop(), Some(Reply::Close(_))));
    }
}
