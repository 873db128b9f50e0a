//! Structs that stand for themselves, behind the number of their version: what the members of a
//! group tell each other, and what the internal topics hold. Written down as messages are:
//!
//! ```text
//! versioned! {
//!     data Example<'a>, versions 0-3, flexible 2+ {
//!         name: &'a str, 0+;
//!         parts: Vec<Part>, 1+;
//!     }
//!     struct Part { index: i32, 1+; }
//! }
//! ```

use std::fmt;

use crate::wire::error::{Error, What};
use crate::wire::primitives::{Reader, Writer};
use crate::wire::schema::{Shape, Versions};
use crate::wire::value::{Form, Value};

/// Why bytes are not what they should be, and what that is. Small and `Copy`, like its causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A version that is not known here: written by a later Kafka, or not this at all.
    Version {
        name: &'static str,
        version: i16,
    },
    Bytes {
        name: &'static str,
        error: Error,
    },
    /// A record's key is of no type that is known here.
    KeyType(i16),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Version { name, version } => write!(f, "{name} version {version} is not known"),
            Fault::Bytes { name, error } => write!(f, "{name}: {error}"),
            Fault::KeyType(key_type) => write!(f, "records of type {key_type} are not known"),
        }
    }
}

impl std::error::Error for Fault {}

pub trait Versioned<'a>: Value<'a> + Default + fmt::Debug + Clone + PartialEq {
    const VERSIONS: Versions;
    const FLEXIBLE: i16;
    const SHAPE: &'static Shape;

    /// Reads version and content, which must fill the bytes.
    fn decode(bytes: &'a [u8]) -> Result<Self, Fault> {
        let (version, mut reader) = Self::open(bytes)?;
        if !Self::VERSIONS.hold(version) {
            return Err(Fault::Version { name: Self::SHAPE.name, version });
        }
        let this = Self::read(&mut reader, Self::form(version)).map_err(Self::fault)?;
        reader.expect_end().map_err(Self::fault)?;
        Ok(this)
    }

    /// Reads a version that is too new as the newest known, as members of a group do: later
    /// versions only ever add to the end.
    fn decode_newer(bytes: &'a [u8]) -> Result<Self, Fault> {
        let (version, mut reader) = Self::open(bytes)?;
        if version < Self::VERSIONS.first {
            return Err(Fault::Version { name: Self::SHAPE.name, version });
        }
        let known = version.min(Self::VERSIONS.last);
        Self::read(&mut reader, Self::form(known)).map_err(Self::fault)
    }

    /// Appends version and content. The version must be one of the struct's.
    fn encode(&self, version: i16, bytes: &mut Vec<u8>) {
        assert!(Self::VERSIONS.hold(version), "{} has no version {version}", Self::SHAPE.name);
        let mut writer = Writer::new(bytes);
        writer.i16(version);
        self.write(&mut writer, Self::form(version));
    }

    fn form(version: i16) -> Form {
        Form::new(version, version >= Self::FLEXIBLE)
    }

    fn open(bytes: &'a [u8]) -> Result<(i16, Reader<'a>), Fault> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16().map_err(Self::fault)?;
        Ok((version, reader))
    }

    fn fault(error: Error) -> Fault {
        Fault::Bytes { name: Self::SHAPE.name, error }
    }
}

/// The version in front of the bytes of a versioned struct; of a key, its type.
pub fn version_of(bytes: &[u8]) -> Result<i16, Error> {
    Reader::new(bytes).i16().map_err(|_| Error { what: What::Short, position: 0 })
}

#[macro_export]
#[doc(hidden)]
macro_rules! versioned {
    (
        data $name:ident $(<$lt:lifetime>)?, versions $min:literal $(- $max:literal)?
            $(, flexible $flexible:literal +)? { $($fields:tt)* }
        $(struct $part:ident $(<$part_lt:lifetime>)? { $($part_fields:tt)* })*
    ) => {
        $crate::message!(@struct $name $(<$lt>)? { $($fields)* });

        impl<'a> $crate::wire::versioned::Versioned<'a> for $name $(<$lt>)? {
            const VERSIONS: $crate::wire::schema::Versions =
                $crate::wire::schema::Versions::between(
                    $min, $crate::message!(@last $min $($max)?),
                );
            const FLEXIBLE: i16 = $crate::message!(@flexible $($flexible)?);
            const SHAPE: &'static $crate::wire::schema::Shape =
                match <Self as $crate::wire::value::Value<'a>>::KIND {
                    $crate::wire::schema::Kind::Struct(shape) => shape,
                    _ => unreachable!(),
                };
        }

        $($crate::message!(@struct $part $(<$part_lt>)? { $($part_fields)* });)*
    };
}
