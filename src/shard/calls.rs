//! Requests to other cores that await their replies.

use std::future::Future;
use std::rc::Rc;

use super::Shard;
use super::append_group::{AppendGroup, AppendResult};
use super::message::{Message, Reply, Request};
use crate::base::oneshot::{Sender, oneshot};
use crate::model::error_code::ErrorCode;

pub(super) enum Call {
    Once(Sender<Reply>),
    /// The records of one produce request that another core owns.
    Append {
        group: Rc<AppendGroup>,
        indices: Vec<usize>,
    },
}

impl Shard {
    /// Sends a request at once; the future yields the reply, `None` when it will never come.
    pub fn call(
        &self,
        core: usize,
        request: Request,
    ) -> impl Future<Output = Option<Reply>> + use<> {
        let (sender, receiver) = oneshot();
        let call = self.calls.borrow_mut().insert(Call::Once(sender));
        self.port.send(core, Message::Request { call, request });
        receiver
    }

    pub fn reply(&self, to: usize, call: usize, reply: Reply) {
        self.port.send(to, Message::Reply { call, reply });
    }

    pub(super) fn take_reply(&self, call: usize, reply: Reply) {
        let waiting = self.calls.borrow_mut().remove(call).expect("a reply answers a call");
        match waiting {
            Call::Once(sender) => sender.send(reply),
            Call::Append { group, indices } => {
                let results = match reply {
                    Reply::Appended(results) => results,
                    _ => Vec::new(),
                };
                let mut results = results.into_iter();
                for index in indices {
                    let gone = || AppendResult::failed(ErrorCode::NOT_LEADER_OR_FOLLOWER);
                    group.settle(index, results.next().unwrap_or_else(gone));
                }
            }
        }
    }
}
