//! The topics that matched a group's pattern.

use crate::record;

record! {
    key ConsumerGroupRegularExpressionKey<'a> = 16 {
        group_id: &'a str, 0+;
        regular_expression: &'a str, 0+;
    }

    value ConsumerGroupRegularExpressionValue<'a>, versions 0, flexible 0+ {
        topics: Vec<&'a str>, 0+;
        /// Of the metadata that it was matched with.
        version: i64, 0+;
        timestamp: i64, 0+;
    }
}
