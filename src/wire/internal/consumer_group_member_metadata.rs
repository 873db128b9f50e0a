//! A member of a group of the new protocol: who it is and what it subscribes to.

use crate::record;

record! {
    key ConsumerGroupMemberMetadataKey<'a> = 5 {
        group_id: &'a str, 0+;
        member_id: &'a str, 0+;
    }

    value ConsumerGroupMemberMetadataValue<'a>, versions 0, flexible 0+ {
        instance_id: Option<&'a str>, 0+, null 0+;
        rack_id: Option<&'a str>, 0+, null 0+;
        client_id: &'a str, 0+;
        client_host: &'a str, 0+;
        subscribed_topic_names: Vec<&'a str>, 0+;
        subscribed_topic_regex: Option<&'a str>, 0+, null 0+;
        rebalance_timeout_ms: i32, 0+, default -1;
        server_assignor: Option<&'a str>, 0+, null 0+;
        /// Null unless the member speaks the classic protocol. Left out it is not null but empty.
        classic_member_metadata: Option<ClassicMemberMetadata<'a>>, 0+, tag 0, null 0+,
            default Some(ClassicMemberMetadata::default());
    }

    struct ClassicMemberMetadata<'a> {
        session_timeout_ms: i32, 0+;
        supported_protocols: Vec<ClassicProtocol<'a>>, 0+;
    }

    struct ClassicProtocol<'a> {
        name: &'a str, 0+;
        metadata: &'a [u8], 0+;
    }
}
