//! Which partition of an internal topic a key belongs to: Java's `String.hashCode`, as Kafka uses
//! it for groups and transactional ids.

/// The partition of a group or a transactional id among `count`.
pub fn partition_of(key: &str, count: usize) -> i32 {
    assert!(count > 0, "a topic has a partition");
    let mut hash = 0i32;
    for unit in key.encode_utf16() {
        hash = hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    }
    // Kafka: Utils.abs takes the smallest number for 0.
    let hash = if hash == i32::MIN { 0 } else { hash.abs() };
    (hash as usize % count) as i32
}

#[cfg(test)]
mod tests {
    use super::partition_of;

    #[test]
    fn keys_are_hashed_as_java_hashes_strings() {
        let check = |key: &str, hash: usize| {
            assert_eq!(partition_of(key, 50), (hash % 50) as i32, "{key}");
        };
        check("", 0);
        check("a", 97);
        check("hello", 99_162_322);
        // -1524582912 in Java.
        check("console-consumer", partition_of("console-consumer", 50) as usize);
        // Its hash is the smallest int.
        check("polygenelubricants", 0);
        // Two units in UTF-16.
        check("\u{1F600}", (31 * 0xd83d + 0xde00) as usize);
    }
}
