//! The partitions that one member is to have.

use crate::model::ids::TopicId;
use crate::record;

record! {
    key ConsumerGroupTargetAssignmentMemberKey<'a> = 7 {
        group_id: &'a str, 0+;
        member_id: &'a str, 0+;
    }

    value ConsumerGroupTargetAssignmentMemberValue, versions 0, flexible 0+ {
        topic_partitions: Vec<TopicPartition>, 0+;
    }

    struct TopicPartition {
        topic_id: TopicId, 0+;
        partitions: Vec<i32>, 0+;
    }
}
