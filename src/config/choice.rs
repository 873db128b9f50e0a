//! Settings whose values are names.

use super::value::Value;
use crate::model::DurabilityLevel;

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl Value for $name {
            fn from_text(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    )* };
}

choices! {
    /// How batches are compressed on disk; `Producer` leaves them as they came.
    CompressionType {
        Uncompressed = "uncompressed",
        Zstd = "zstd",
        Lz4 = "lz4",
        Snappy = "snappy",
        Gzip = "gzip",
        Producer = "producer",
    }

    /// Whose clock stamps a record.
    TimestampType {
        CreateTime = "CreateTime",
        LogAppendTime = "LogAppendTime",
    }

    /// Between which protocols a consumer group may change while it has members (KIP-848).
    MigrationPolicy {
        Bidirectional = "bidirectional",
        Upgrade = "upgrade",
        Downgrade = "downgrade",
        Disabled = "disabled",
    }
}

impl MigrationPolicy {
    pub fn may_upgrade(self) -> bool {
        matches!(self, MigrationPolicy::Bidirectional | MigrationPolicy::Upgrade)
    }

    pub fn may_downgrade(self) -> bool {
        matches!(self, MigrationPolicy::Bidirectional | MigrationPolicy::Downgrade)
    }
}

/// What happens to old segments. Neither: everything is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanupPolicy {
    pub compact: bool,
    pub delete: bool,
}

impl CleanupPolicy {
    pub const NAMES: &'static [&'static str] = &["compact", "delete"];
}

impl Value for CleanupPolicy {
    fn from_text(text: &str) -> Option<CleanupPolicy> {
        let mut policy = CleanupPolicy::default();
        for item in super::property::items(text) {
            match item {
                "compact" => policy.compact = true,
                "delete" => policy.delete = true,
                _ => return None,
            }
        }
        Some(policy)
    }
}

pub(super) const DURABILITY_NAMES: &[&str] = &[
    DurabilityLevel::Relaxed.as_str(),
    DurabilityLevel::Written.as_str(),
    DurabilityLevel::Synced.as_str(),
];

impl Value for DurabilityLevel {
    fn from_text(text: &str) -> Option<DurabilityLevel> {
        text.parse().ok()
    }
}
