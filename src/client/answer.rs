//! One answer as it came: owned bytes, decoded on demand into messages that borrow from them.

use std::marker::PhantomData;

use crate::base::buf::{Buf, Slice};
use crate::client::{Error, Result};
use crate::wire::frame::{self, LENGTH_SIZE};
use crate::wire::message::{Api, Message};
use crate::wire::primitives::Reader;

pub struct Answer<A: Api> {
    frame: Slice,
    version: i16,
    peer: String,
    api: PhantomData<A>,
}

impl<A: Api> Answer<A> {
    /// `frame` is one frame with its length prefix.
    pub(super) fn new(frame: Buf, version: i16, peer: String) -> Answer<A> {
        Answer { frame: Slice::from(frame), version, peer, api: PhantomData }
    }

    pub fn version(&self) -> i16 {
        self.version
    }

    pub fn decode(&self) -> Result<A::Response<'_>> {
        let mut reader = Reader::new(&self.frame[LENGTH_SIZE..]);
        let decoded = frame::read_response_header::<A>(&mut reader, self.version)
            .and_then(|_| A::Response::decode(&mut reader, self.version));
        decoded.map_err(|error| Error::Malformed {
            peer: self.peer.clone(),
            reason: format!("an answer to {} v{}: {error}", A::NAME, self.version),
        })
    }

    /// The same bytes as a slice of their own, which may outlive the answer. `part` must be borrowed
    /// from what `decode` yields.
    pub fn share(&self, part: &[u8]) -> Slice {
        let start = part.as_ptr().addr() - self.frame.as_ptr().addr();
        assert!(start + part.len() <= self.frame.len(), "bytes of another answer");
        let mut slice = self.frame.clone();
        slice.advance(start);
        slice.truncate(part.len());
        slice
    }
}
