//! A message's shape as data: what the notation says, readable at run time. Tests and tools walk it;
//! encoding and decoding never look at it.

/// Versions in which something exists, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub first: i16,
    pub last: i16,
}

impl Versions {
    pub const fn from(first: i16) -> Versions {
        Versions { first, last: i16::MAX }
    }

    pub const fn between(first: i16, last: i16) -> Versions {
        assert!(first <= last, "versions out of order");
        Versions { first, last }
    }

    #[inline]
    pub const fn hold(self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }
}

#[derive(Debug)]
pub struct Shape {
    pub name: &'static str,
    pub fields: &'static [Field],
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub versions: Versions,
    /// The first version in which null is allowed.
    pub null_from: Option<i16>,
    pub tag: Option<u32>,
    /// The default as written in the notation; empty for the type's own (0, false, "", empty, null).
    pub default: &'static str,
}

/// The fields as they are, whose tags are written in this order and must then ascend.
pub const fn tags_ascending(fields: &'static [Field]) -> &'static [Field] {
    let (mut index, mut least) = (0, 0);
    while index < fields.len() {
        if let Some(tag) = fields[index].tag {
            assert!(tag >= least, "tags out of order");
            least = tag + 1;
        }
        index += 1;
    }
    fields
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Bool,
    I8,
    U16,
    I16,
    I32,
    I64,
    F64,
    Uuid,
    String,
    Bytes,
    Records,
    Array(&'static Kind),
    Struct(&'static Shape),
}
