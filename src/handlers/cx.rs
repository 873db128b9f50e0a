//! What a handler works with: the desk of its core, the client it serves, and the request's kind.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use super::fetch_session::FetchSessions;
use super::reply::Reply;
use super::spare::spare_vec;
use crate::cluster::lanes;
use crate::model::{BrokerId, LaneId};
use crate::shard::Shard;
use crate::wire::frame::{self, RequestKind};
use crate::wire::message::Api;
use crate::wire::primitives::Writer;

/// What the handlers of one core share.
pub struct Desk {
    pub shard: Rc<Shard>,
    pub(super) sessions: RefCell<FetchSessions>,
}

impl Desk {
    pub fn new(shard: Rc<Shard>) -> Rc<Desk> {
        let slots = shard.config().fetch_session_slots;
        Rc::new(Desk {
            sessions: RefCell::new(FetchSessions::new(shard.core(), slots as usize)),
            shard,
        })
    }
}

impl Desk {
    /// Longest frame that is read, in bytes.
    pub fn frame_bytes_max(&self) -> usize {
        self.shard.config().socket_request_max_bytes as usize
    }
}

/// Who is at the other end of a connection.
pub struct Client {
    pub peer: SocketAddr,
    /// The lane it came in by.
    pub lane: usize,
    id: RefCell<String>,
}

impl Client {
    pub fn new(peer: SocketAddr, lane: usize) -> Client {
        Client { peer, lane, id: RefCell::default() }
    }

    pub(super) fn note_id(&self, id: Option<&str>) {
        let id = id.unwrap_or_default();
        if *self.id.borrow() != id {
            id.clone_into(&mut self.id.borrow_mut());
        }
    }

    pub fn id(&self) -> String {
        self.id.borrow().clone()
    }
}

pub struct Cx<'a> {
    pub desk: &'a Rc<Desk>,
    pub client: &'a Rc<Client>,
    pub kind: RequestKind,
}

impl Cx<'_> {
    pub fn shard(&self) -> &Rc<Shard> {
        &self.desk.shard
    }

    /// The lane the client speaks to, as a broker.
    pub fn broker_id(&self) -> BrokerId {
        lanes::broker_id(self.shard().node(), LaneId(self.client.lane as u16))
    }

    /// The lane that clients are told is the controller: any lane takes controllers' requests, so
    /// the one of the metadata core, which need not ask another.
    pub fn controller_id(&self) -> i32 {
        lanes::broker_id(self.shard().node(), LaneId(0)).0
    }

    pub fn version(&self) -> i16 {
        self.kind.version
    }

    /// The whole frame of an answer.
    pub fn reply<A: Api>(&self, body: &A::Response<'_>) -> Reply {
        let mut bytes = spare_vec();
        let mut writer = Writer::new(&mut bytes);
        frame::write_response::<A>(&mut writer, self.kind.version, self.kind.correlation_id, body);
        Reply::Frame(bytes)
    }
}
