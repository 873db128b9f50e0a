//! Who is who. Numbers that are easily taken for one another have types of their own; their field
//! is public, so a conversion is `BrokerId(1)` one way and `.0` the other.

use std::fmt;
use std::str::FromStr;

use rkyv::{Archive, Deserialize, Serialize};

use super::base64url;
use crate::base::prng::Prng;

/// A record's place in its partition. Plain, because almost everything done with it is arithmetic.
pub type Offset = i64;

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($number:ty);)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(Archive, Serialize, Deserialize)]
        pub struct $name(pub $number);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )* };
}

numbers! {
    /// What clients take for a broker: one lane of one host.
    BrokerId(i32);
    /// A host; replication counts these.
    NodeId(i32);
    /// A lane's place among those of its host, from 0.
    LaneId(u16);
    /// A data core's place among those of its host, from 0; not the number of a CPU.
    CoreId(u16);
    PartitionId(i32);
    /// Raised whenever a partition's owner changes; fences those who have not heard.
    LeaderEpoch(i32);
}

impl LeaderEpoch {
    /// Before the first record of a partition, and "not known" on the wire.
    pub const NONE: LeaderEpoch = LeaderEpoch(-1);

    pub fn next(self) -> LeaderEpoch {
        LeaderEpoch(self.0 + 1)
    }
}

impl PartitionId {
    /// As an index into a topic's partitions; `None` when negative.
    pub fn index(self) -> Option<usize> {
        usize::try_from(self.0).ok()
    }
}

impl CoreId {
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Text that is not 22 characters of unpadded base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is 22 characters of unpadded base64url")
    }
}

impl std::error::Error for InvalidId {}

macro_rules! uuids {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(Archive, Serialize, Deserialize)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// All zeros: "none" on the wire.
            pub const NIL: $name = $name([0; 16]);

            /// A version 4 UUID whose text does not begin with '-', which would look like a flag on
            /// a command line (KIP-516).
            pub fn random(random: &mut Prng) -> $name {
                loop {
                    let mut bytes = [0; 16];
                    random.fill(&mut bytes);
                    bytes[6] = bytes[6] & 0x0f | 0x40;
                    bytes[8] = bytes[8] & 0x3f | 0x80;
                    if base64url::encode(bytes)[0] != b'-' {
                        return $name(bytes);
                    }
                }
            }

            pub fn is_nil(self) -> bool {
                self == $name::NIL
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = base64url::encode(self.0);
                f.pad(std::str::from_utf8(&text).expect("base64url is ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<$name, InvalidId> {
                base64url::decode(text).map($name).ok_or(InvalidId)
            }
        }
    )* };
}

uuids! {
    /// A topic for as long as it exists; a new topic of the same name has another (KIP-516).
    TopicId;
    /// The cluster, since it was first formatted.
    ClusterId;
    /// A data directory of a host, wherever it is mounted (KIP-858).
    DirectoryId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_reads_back_and_is_no_flag() {
        let mut random = Prng::new(7);
        for _ in 0..500 {
            let id = TopicId::random(&mut random);
            let text = id.to_string();
            assert_eq!(text.parse(), Ok(id));
            assert!(!text.starts_with('-'));
            assert!(!id.is_nil());
        }
        assert_eq!("short".parse::<TopicId>(), Err(InvalidId));
        assert_eq!(format!("{:?}", ClusterId::NIL), "ClusterId(AAAAAAAAAAAAAAAAAAAAAA)");
    }
}
