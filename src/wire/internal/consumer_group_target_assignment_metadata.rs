//! The epoch at which a group's target assignment was computed.

use crate::record;

record! {
    key ConsumerGroupTargetAssignmentMetadataKey<'a> = 6 {
        group_id: &'a str, 0+;
    }

    value ConsumerGroupTargetAssignmentMetadataValue, versions 0, flexible 0+ {
        assignment_epoch: i32, 0+;
        assignment_timestamp: i64, 0+, tag 0;
    }
}
