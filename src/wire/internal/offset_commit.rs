//! What a group has committed for one partition. Value version 1 has the expiry that clients once
//! asked for, version 3 the leader epoch, version 4 the topic id (KIP-848). A key of type 0 is the
//! oldest form and is written no more.

use crate::model::ids::TopicId;
use crate::record;

record! {
    key LegacyOffsetCommitKey<'a> = 0 {
        group: &'a str, 0+;
        topic: &'a str, 0+;
        partition: i32, 0+;
    }

    value LegacyOffsetCommitValue<'a>, versions 0 {
        offset: i64, 0+;
        metadata: &'a str, 0+;
        commit_timestamp: i64, 0+;
    }
}

record! {
    key OffsetCommitKey<'a> = 1 {
        group: &'a str, 0+;
        topic: &'a str, 0+;
        partition: i32, 0+;
    }

    value OffsetCommitValue<'a>, versions 0-4, flexible 4+ {
        offset: i64, 0+;
        leader_epoch: i32, 3+, default -1;
        metadata: &'a str, 0+;
        commit_timestamp: i64, 0+;
        expire_timestamp: i64, 1-1, default -1;
        topic_id: TopicId, 4+, tag 0;
    }
}
