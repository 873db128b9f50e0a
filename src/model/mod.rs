//! The nouns everybody shares: who is who (ids), how topics may be called, how durable is durable.
//! Plain values without I/O, state or policy.

mod base64url;
pub mod durability;
pub mod error_code;
pub mod ids;
pub mod topic_name;

pub use durability::DurabilityLevel;
pub use error_code::ErrorCode;
pub use ids::{
    BrokerId, ClusterId, CoreId, DirectoryId, LaneId, LeaderEpoch, NodeId, Offset, PartitionId,
    TopicId,
};
