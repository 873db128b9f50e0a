//! A group of the new protocol: its epoch (KIP-848).

use crate::record;

record! {
    key ConsumerGroupMetadataKey<'a> = 3 {
        group_id: &'a str, 0+;
    }

    value ConsumerGroupMetadataValue, versions 0, flexible 0+ {
        epoch: i32, 0+;
        /// Of the topics subscribed to (KIP-1101); 0 asks for it to be computed.
        metadata_hash: i64, 0+, tag 0;
    }
}
