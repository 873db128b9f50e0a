//! Producer ids, in blocks, so that handing one out asks nobody.

use super::Refusal;
use crate::cluster::{ClusterImage, Command};
use crate::config::limits::PRODUCER_ID_BLOCK_LEN;
use crate::model::{ErrorCode, NodeId};

/// The next block, for this host alone.
pub fn allocate_producer_ids(image: &ClusterImage, node: NodeId) -> Result<Command, Refusal> {
    let (first, count) = (image.next_producer_id(), PRODUCER_ID_BLOCK_LEN);
    if first.checked_add(i64::from(count)).is_none() {
        let message = "every producer id has been given out";
        return Err(Refusal::new(ErrorCode::UNKNOWN_SERVER_ERROR, message));
    }
    Ok(Command::AllocateProducerIds { node, first, count })
}
