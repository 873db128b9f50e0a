//! Why bytes could not be read as a message. Small and `Copy`: making one costs nothing, and a peer
//! that sends rubbish gets no allocation out of it.

use std::fmt;

pub type Result<T> = std::result::Result<T, Error>;

/// What was wrong, and the byte at which it was noticed, counted from the start of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    pub what: What,
    pub position: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The bytes end before the value does.
    Short,
    /// A length or count is negative where only null (-1) may be, or too large for its type.
    Length,
    /// Null where this version has no null.
    Null,
    /// A variable-length integer is longer than its type.
    Varint,
    /// A string is not UTF-8.
    Utf8,
    /// An array announces more elements than the remaining bytes can hold.
    Count,
    /// A tagged field's content does not have the size announced for it.
    TagSize,
    /// The message does not exist in this version.
    Version,
    /// Bytes remain behind the end of the message.
    Trailing,
    /// A frame's length prefix is not positive, or above the limit.
    FrameLength,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Short => "the message ends too early",
            What::Length => "a length is out of range",
            What::Null => "null where a value must be",
            What::Varint => "a variable-length integer is too long",
            What::Utf8 => "a string is not UTF-8",
            What::Count => "an array is longer than the message",
            What::TagSize => "a tagged field is not of the size it announces",
            What::Version => "the message does not exist in this version",
            What::Trailing => "bytes follow the end of the message",
            What::FrameLength => "the frame length is not positive or too large",
        };
        write!(f, "{what} (at byte {})", self.position)
    }
}

impl std::error::Error for Error {}
