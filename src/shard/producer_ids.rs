//! Producer ids: each core hands out of a block of its own.

use std::rc::Rc;

use super::Shard;
use super::proposal::{Decided, Proposal};
use crate::model::ErrorCode;

impl Shard {
    /// An id that no producer of this cluster has had.
    pub async fn next_producer_id(self: &Rc<Self>) -> Result<i64, ErrorCode> {
        loop {
            let (next, end) = self.producer_ids.get();
            if next < end {
                self.producer_ids.set((next + 1, end));
                return Ok(next);
            }
            match self.propose(Proposal::AllocateProducerIds).await.0.pop() {
                Some(Ok(Decided::ProducerIds { first, count })) => {
                    // Somebody else may have asked meanwhile; those ids are lost, never given twice.
                    self.producer_ids.set((first, first + i64::from(count)));
                }
                Some(Err(refusal)) => return Err(refusal.code),
                _ => return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
            }
        }
    }
}
