//! What is wrong with a setting, in words for whoever set it.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    UnknownKey {
        key: String,
        nearest: Option<&'static str>,
    },
    Value {
        key: String,
        value: String,
        expected: String,
    },
    TooLong {
        key: String,
        len: usize,
    },
    /// Given more than once in the same place.
    Twice {
        key: String,
    },
    /// Settings that are good alone and not together.
    Together(String),
    /// The file or the flag cannot be taken apart.
    Syntax(String),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::UnknownKey { key, nearest: None } => write!(f, "unknown setting {key}"),
            Invalid::UnknownKey { key, nearest: Some(nearest) } => {
                write!(f, "unknown setting {key}; did you mean {nearest}?")
            }
            Invalid::Value { key, value, expected } => {
                write!(f, "{key} = {value:?}: must be {expected}")
            }
            Invalid::TooLong { key, len } => {
                write!(f, "{key}: {len} bytes are more than a setting may have")
            }
            Invalid::Twice { key } => write!(f, "{key} is given twice"),
            Invalid::Together(message) | Invalid::Syntax(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Invalid {}
