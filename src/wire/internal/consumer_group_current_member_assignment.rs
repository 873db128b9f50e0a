//! The partitions that one member has, and those it has been told to give up.

use crate::model::ids::TopicId;
use crate::record;

record! {
    key ConsumerGroupCurrentMemberAssignmentKey<'a> = 8 {
        group_id: &'a str, 0+;
        member_id: &'a str, 0+;
    }

    value ConsumerGroupCurrentMemberAssignmentValue, versions 0, flexible 0+ {
        member_epoch: i32, 0+;
        previous_member_epoch: i32, 0+;
        state: i8, 0+;
        assigned_partitions: Vec<TopicPartitions>, 0+;
        partitions_pending_revocation: Vec<TopicPartitions>, 0+;
    }

    struct TopicPartitions {
        topic_id: TopicId, 0+;
        partitions: Vec<i32>, 0+;
        /// The epoch since which the member has each partition. Left out it is not null but empty.
        assignment_epochs: Option<Vec<i32>>, 0+, tag 0, null 0+, default Some(Vec::new());
    }
}
