//! How far a fan-out is: offsets of a group of its own, each with a note that says what it was
//! copied into, so that a later run goes on only with the same.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::model::{Offset, TopicId};

/// Beside every offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub target: TopicId,
    /// Among how many partitions keys are placed, also when the target gets more.
    pub partitions: usize,
    /// Whose commits it began with; empty for nobody's.
    pub group: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.target, self.partitions, self.group)
    }
}

impl FromStr for Note {
    type Err = String;

    fn from_str(text: &str) -> Result<Note, String> {
        let mut words = text.splitn(3, ' ');
        let read = (|| {
            let target = words.next()?.parse().ok()?;
            let partitions = words.next()?.parse().ok().filter(|&count| count > 0)?;
            Some(Note { target, partitions, group: words.next()?.to_owned() })
        })();
        read.ok_or_else(|| format!("the note beside a committed offset is strange: {text:?}"))
    }
}

/// What the runs before have left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub offsets: BTreeMap<i32, Offset>,
    pub note: Option<Note>,
}

/// The group, and the transactional id, of a fan-out.
pub fn name(source: &str, target: &str) -> String {
    format!("ringmain-fan-out.{source}.{target}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back() {
        let id: TopicId = "AQIDBAUGBwgJCgsMDQ4PEA".parse().expect("an id");
        for group in ["", "reports", "a group"] {
            let note = Note { target: id, partitions: 16, group: group.to_owned() };
            assert_eq!(note.to_string().parse(), Ok(note));
        }
        for bad in ["", "x", "AQIDBAUGBwgJCgsMDQ4PEA 0 g", "AQIDBAUGBwgJCgsMDQ4PEA 3"] {
            assert!(bad.parse::<Note>().is_err(), "{bad}");
        }
    }
}
