//! Any record of `__consumer_offsets`.

use super::Key;
use super::consumer_group_current_member_assignment::ConsumerGroupCurrentMemberAssignmentKey;
use super::consumer_group_member_metadata::ConsumerGroupMemberMetadataKey;
use super::consumer_group_metadata::ConsumerGroupMetadataKey;
use super::consumer_group_partition_metadata::ConsumerGroupPartitionMetadataKey;
use super::consumer_group_regular_expression::ConsumerGroupRegularExpressionKey;
use super::consumer_group_target_assignment_member::ConsumerGroupTargetAssignmentMemberKey;
use super::consumer_group_target_assignment_metadata::ConsumerGroupTargetAssignmentMetadataKey;
use super::group_metadata::GroupMetadataKey;
use super::offset_commit::{LegacyOffsetCommitKey, OffsetCommitKey};
use crate::wire::versioned::{Fault, Versioned, version_of};

macro_rules! group_records {
    ($($name:ident: $key:ident,)*) => {
        /// A key with its value, or without for a tombstone.
        #[derive(Clone, Debug, PartialEq)]
        pub enum GroupRecord<'a> {
            $($name($key<'a>, Option<<$key<'a> as Key<'a>>::Value>),)*
        }

        impl<'a> GroupRecord<'a> {
            /// Reads a record. [`Fault::KeyType`] is a record of a later Kafka, or of groups that
            /// are not known here; Kafka passes those over.
            pub fn decode(key: &'a [u8], value: Option<&'a [u8]>) -> Result<Self, Fault> {
                let key_type = version_of(key)
                    .map_err(|error| Fault::Bytes { name: "a record's key", error })?;
                match key_type {
                    $($key::TYPE => {
                        let key = $key::decode(key)?;
                        let value = value.map(<$key as Key>::Value::decode).transpose()?;
                        Ok(GroupRecord::$name(key, value))
                    })*
                    _ => Err(Fault::KeyType(key_type)),
                }
            }

            pub fn encode_key(&self, bytes: &mut Vec<u8>) {
                match self {
                    $(GroupRecord::$name(key, _) => key.encode_key(bytes),)*
                }
            }

            /// Appends the value in the version given; says false for a tombstone, which has none.
            pub fn encode_value(&self, version: i16, bytes: &mut Vec<u8>) -> bool {
                match self {
                    $(GroupRecord::$name(_, Some(value)) => value.encode(version, bytes),)*
                    $(GroupRecord::$name(_, None) => return false,)*
                }
                true
            }
        }
    };
}

group_records! {
    LegacyOffsetCommit: LegacyOffsetCommitKey,
    OffsetCommit: OffsetCommitKey,
    Group: GroupMetadataKey,
    ConsumerGroup: ConsumerGroupMetadataKey,
    PartitionMetadata: ConsumerGroupPartitionMetadataKey,
    Member: ConsumerGroupMemberMetadataKey,
    TargetAssignment: ConsumerGroupTargetAssignmentMetadataKey,
    TargetAssignmentMember: ConsumerGroupTargetAssignmentMemberKey,
    CurrentMemberAssignment: ConsumerGroupCurrentMemberAssignmentKey,
    RegularExpression: ConsumerGroupRegularExpressionKey,
}
