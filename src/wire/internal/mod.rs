//! The records of Kafka's internal topics, `__consumer_offsets` and `__transaction_state`: pure
//! codecs, one file per family. Both topics are compacted, a tombstone (no value) takes the record
//! of its key back, and who writes says which version of the value.
//!
//! ```text
//! record! {
//!     key ExampleKey<'a> = 5 { name: &'a str, 0+; }
//!     value ExampleValue, versions 0-1, flexible 1+ { count: i32, 0+; }
//! }
//! ```
//!
//! The number is the key's type, which stands where other structs have their version.

use crate::wire::versioned::Versioned;

mod group_record;

pub mod consumer_group_current_member_assignment;
pub mod consumer_group_member_metadata;
pub mod consumer_group_metadata;
pub mod consumer_group_partition_metadata;
pub mod consumer_group_regular_expression;
pub mod consumer_group_target_assignment_member;
pub mod consumer_group_target_assignment_metadata;
pub mod group_metadata;
pub mod offset_commit;
pub mod transaction_log;

pub use group_record::GroupRecord;

/// A key, which says what record it is and what its value looks like.
pub trait Key<'a>: Versioned<'a> {
    const TYPE: i16;
    type Value: Versioned<'a>;

    fn encode_key(&self, bytes: &mut Vec<u8>) {
        self.encode(Self::TYPE, bytes);
    }
}

#[macro_export]
#[doc(hidden)]
macro_rules! record {
    (
        key $key:ident $(<$key_lt:lifetime>)? = $type:literal { $($key_fields:tt)* }
        value $value:ident $(<$value_lt:lifetime>)?, versions $($versions_and_parts:tt)*
    ) => {
        $crate::versioned! { data $key $(<$key_lt>)?, versions $type { $($key_fields)* } }
        $crate::versioned! {
            data $value $(<$value_lt>)?, versions $($versions_and_parts)*
        }

        impl<'a> $crate::wire::internal::Key<'a> for $key $(<$key_lt>)? {
            const TYPE: i16 = $type;
            type Value = $value $(<$value_lt>)?;
        }
    };
}
