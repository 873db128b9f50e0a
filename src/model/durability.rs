//! What an acknowledgement promises.

use std::fmt;
use std::str::FromStr;

/// In rising order: what holds at one level holds at the levels below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DurabilityLevel {
    /// In the owner's memory: survives nothing.
    Relaxed,
    /// Written to the device: survives the end of the process.
    Written,
    /// Written and flushed to stable media: survives the loss of power.
    #[default]
    Synced,
}

impl DurabilityLevel {
    pub const ALL: [DurabilityLevel; 3] =
        [DurabilityLevel::Relaxed, DurabilityLevel::Written, DurabilityLevel::Synced];

    pub const fn as_str(self) -> &'static str {
        match self {
            DurabilityLevel::Relaxed => "relaxed",
            DurabilityLevel::Written => "written",
            DurabilityLevel::Synced => "synced",
        }
    }
}

impl fmt::Display for DurabilityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Text that names no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLevel;

impl FromStr for DurabilityLevel {
    type Err = UnknownLevel;
    fn from_str(text: &str) -> Result<DurabilityLevel, UnknownLevel> {
        DurabilityLevel::ALL.into_iter().find(|level| level.as_str() == text).ok_or(UnknownLevel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_rise_and_read_back() {
        assert!(DurabilityLevel::ALL.is_sorted());
        for level in DurabilityLevel::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert_eq!("Synced".parse::<DurabilityLevel>(), Err(UnknownLevel));
    }
}
