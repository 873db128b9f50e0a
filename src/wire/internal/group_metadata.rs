//! A classic group: its generation and members. Value version 1 tells the rebalance timeout from the
//! session's, version 3 knows static members. Times are in milliseconds.

use crate::record;

record! {
    key GroupMetadataKey<'a> = 2 {
        group: &'a str, 0+;
    }

    value GroupMetadataValue<'a>, versions 0-4, flexible 4+ {
        protocol_type: &'a str, 0+;
        generation: i32, 0+;
        protocol: Option<&'a str>, 0+, null 0+;
        leader: Option<&'a str>, 0+, null 0+;
        current_state_timestamp: i64, 2+, default -1;
        members: Vec<MemberMetadata<'a>>, 0+;
    }

    struct MemberMetadata<'a> {
        member_id: &'a str, 0+;
        group_instance_id: Option<&'a str>, 3+, null 3+;
        client_id: &'a str, 0+;
        client_host: &'a str, 0+;
        rebalance_timeout: i32, 1+, default -1;
        session_timeout: i32, 0+;
        subscription: &'a [u8], 0+;
        assignment: &'a [u8], 0+;
    }
}
