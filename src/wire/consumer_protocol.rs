//! What the consumers of a classic group tell each other through the broker: a subscription in
//! JoinGroup's metadata, an assignment in SyncGroup's. The broker looks inside only when groups
//! change their protocol. Version 1 adds what a member owns (KIP-429), version 2 the generation it
//! owned that in (KIP-792), version 3 its rack (KIP-881).

use crate::versioned;

/// JoinGroup's and SyncGroup's `protocol_type` of these groups.
pub const PROTOCOL_TYPE: &str = "consumer";

versioned! {
    data Subscription<'a>, versions 0-3 {
        topics: Vec<&'a str>, 0+;
        user_data: Option<&'a [u8]>, 0+, null 0+;
        owned_partitions: Vec<TopicPartitions<'a>>, 1+;
        generation_id: i32, 2+, default -1;
        rack_id: Option<&'a str>, 3+, null 3+;
    }

    struct TopicPartitions<'a> {
        topic: &'a str, 0+;
        partitions: Vec<i32>, 0+;
    }
}

versioned! {
    data Assignment<'a>, versions 0-3 {
        assigned_partitions: Vec<TopicPartitions<'a>>, 0+;
        user_data: Option<&'a [u8]>, 0+, null 0+;
    }
}
