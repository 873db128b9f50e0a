//! How topics may be called (Kafka's rules; the names become directories).

use std::fmt;

/// Bytes: with `-<partition>` and the suffix of a deletion it must fit a file name of 255.
pub const LEN_MAX: usize = 249;

/// Topics which the broker keeps for itself: clients may read, but do not own them.
pub const INTERNAL: [&str; 3] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// Kafka's own log of its metadata, which lies beside the partitions and is none of them.
pub const CLUSTER_METADATA: &str = "__cluster_metadata";

/// Why a text is no topic name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidName {
    Empty,
    Dots,
    TooLong(usize),
    Character(char),
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidName::Empty => f.write_str("a topic name is not empty"),
            InvalidName::Dots => f.write_str("a topic is not called '.' or '..'"),
            InvalidName::TooLong(len) => {
                write!(f, "a topic name has at most {LEN_MAX} characters, this one has {len}")
            }
            InvalidName::Character(found) => write!(
                f,
                "a topic name is made of ASCII letters and digits, '.', '_' and '-', not {found:?}"
            ),
        }
    }
}

impl std::error::Error for InvalidName {}

pub fn validate(name: &str) -> Result<(), InvalidName> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        return Err(InvalidName::Empty);
    }
    if matches!(name, "." | "..") {
        return Err(InvalidName::Dots);
    }
    if name.len() > LEN_MAX {
        return Err(InvalidName::TooLong(name.chars().count()));
    }
    match name.chars().find(|&c| !legal(c)) {
        Some(found) => Err(InvalidName::Character(found)),
        None => Ok(()),
    }
}

/// Two names that differ only in '.' against '_' have the same key, because metrics write both as
/// '_'; Kafka lets only one of them exist.
pub fn collision_key(name: &str) -> String {
    name.replace('.', "_")
}

pub fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_kafka_judges_them() {
        let check = |name: &str, expect| assert_eq!(validate(name), expect, "{name}");
        let longest = "x".repeat(LEN_MAX);
        for good in ["a", "...", "A.b_c-9", "__consumer_offsets", &longest] {
            check(good, Ok(()));
        }
        check("", Err(InvalidName::Empty));
        check(".", Err(InvalidName::Dots));
        check("..", Err(InvalidName::Dots));
        check(&format!("{longest}x"), Err(InvalidName::TooLong(250)));
        check("a b", Err(InvalidName::Character(' ')));
        check("größe", Err(InvalidName::Character('ö')));
        check("../etc", Err(InvalidName::Character('/')));
    }

    #[test]
    fn dots_and_underscores_collide() {
        assert_eq!(collision_key("a.b_c"), collision_key("a_b.c"));
        assert_ne!(collision_key("a.b"), collision_key("a-b"));
        assert!(is_internal("__consumer_offsets") && !is_internal("__mine"));
    }
}
