//! The topics that a group subscribes to, as they were when it was last assigned. Since KIP-1101 Kafka
//! keeps a hash of them instead and writes only tombstones here.

use crate::model::ids::TopicId;
use crate::record;

record! {
    key ConsumerGroupPartitionMetadataKey<'a> = 4 {
        group_id: &'a str, 0+;
    }

    value ConsumerGroupPartitionMetadataValue<'a>, versions 0, flexible 0+ {
        topics: Vec<TopicMetadata<'a>>, 0+;
    }

    struct TopicMetadata<'a> {
        topic_id: TopicId, 0+;
        topic_name: &'a str, 0+;
        num_partitions: i32, 0+;
        partition_metadata: Vec<PartitionMetadata<'a>>, 0+;
    }

    struct PartitionMetadata<'a> {
        partition: i32, 0+;
        racks: Vec<&'a str>, 0+;
    }
}
