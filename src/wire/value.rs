//! How each type of field is read and written. The notation calls these by the field's type; a new
//! type of field is a new impl here.

use crate::model::error_code::ErrorCode;
use crate::model::ids::TopicId;
use crate::wire::error::{Result, What};
use crate::wire::primitives::{Reader, Writer};
use crate::wire::schema::Kind;

/// Which form of a value is read or written.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    pub version: i16,
    /// Compact lengths, and tagged fields at the end of every struct.
    pub flexible: bool,
    /// Null is allowed here.
    pub nullable: bool,
    /// The whole content of a tagged field.
    pub tagged: bool,
}

impl Form {
    pub const fn new(version: i16, flexible: bool) -> Form {
        Form { version, flexible, nullable: false, tagged: false }
    }

    /// The form of a field which may be null from that version on.
    #[inline]
    pub fn null_from(self, version: Option<i16>) -> Form {
        let nullable = version.is_some_and(|version| self.version >= version);
        Form { nullable, tagged: false, ..self }
    }

    #[inline]
    pub fn in_tag(self) -> Form {
        Form { tagged: true, ..self }
    }

    fn of_element(self) -> Form {
        Form { nullable: false, tagged: false, ..self }
    }
}

pub trait Value<'a>: Sized {
    const KIND: Kind;
    const OPTIONAL: bool = false;

    /// Bytes that no value of this type can do without.
    fn size_min(form: Form) -> usize;
    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self>;
    fn write(&self, writer: &mut Writer<'_>, form: Form);
}

/// A type that has a null on the wire; `Option` of it is a `Value`.
pub trait Nullable<'a>: Value<'a> {
    fn null_size_min(form: Form) -> usize {
        Self::size_min(form)
    }
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>>;
    fn write_null(writer: &mut Writer<'_>, form: Form);
    fn write_present(&self, writer: &mut Writer<'_>, form: Form) {
        self.write(writer, form);
    }
    /// Stands in for null in versions without one.
    fn write_empty(writer: &mut Writer<'_>, form: Form);
}

macro_rules! plain {
    ($($name:ident $kind:ident $size:literal)*) => {$(
        impl Value<'_> for $name {
            const KIND: Kind = Kind::$kind;

            #[inline]
            fn size_min(_: Form) -> usize {
                $size
            }

            #[inline]
            fn read(reader: &mut Reader<'_>, _: Form) -> Result<Self> {
                reader.$name()
            }

            #[inline]
            fn write(&self, writer: &mut Writer<'_>, _: Form) {
                writer.$name(*self);
            }
        }
    )*};
}

plain! { bool Bool 1  i8 I8 1  u16 U16 2  i16 I16 2  i32 I32 4  i64 I64 8  f64 F64 8 }

impl Value<'_> for TopicId {
    const KIND: Kind = Kind::Uuid;

    fn size_min(_: Form) -> usize {
        16
    }

    fn read(reader: &mut Reader<'_>, _: Form) -> Result<Self> {
        reader.uuid()
    }

    fn write(&self, writer: &mut Writer<'_>, _: Form) {
        writer.uuid(*self);
    }
}

impl Value<'_> for ErrorCode {
    const KIND: Kind = Kind::I16;

    fn size_min(_: Form) -> usize {
        2
    }

    fn read(reader: &mut Reader<'_>, _: Form) -> Result<Self> {
        reader.i16().map(ErrorCode)
    }

    fn write(&self, writer: &mut Writer<'_>, _: Form) {
        writer.i16(self.0);
    }
}

impl<'a> Value<'a> for &'a str {
    const KIND: Kind = Kind::String;

    fn size_min(form: Form) -> usize {
        if form.flexible { 1 } else { 2 }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self> {
        let null = reader.error(What::Null);
        reader.string(form.flexible)?.ok_or(null)
    }

    fn write(&self, writer: &mut Writer<'_>, form: Form) {
        writer.string(Some(self), form.flexible);
    }
}

impl<'a> Nullable<'a> for &'a str {
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>> {
        reader.string(form.flexible)
    }

    fn write_null(writer: &mut Writer<'_>, form: Form) {
        writer.string(None, form.flexible);
    }

    fn write_empty(writer: &mut Writer<'_>, form: Form) {
        writer.string(Some(""), form.flexible);
    }
}

impl<'a> Value<'a> for &'a [u8] {
    const KIND: Kind = Kind::Bytes;

    fn size_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self> {
        let null = reader.error(What::Null);
        reader.bytes(form.flexible)?.ok_or(null)
    }

    fn write(&self, writer: &mut Writer<'_>, form: Form) {
        writer.bytes(Some(self), form.flexible);
    }
}

impl<'a> Nullable<'a> for &'a [u8] {
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>> {
        reader.bytes(form.flexible)
    }

    fn write_null(writer: &mut Writer<'_>, form: Form) {
        writer.bytes(None, form.flexible);
    }

    fn write_empty(writer: &mut Writer<'_>, form: Form) {
        writer.bytes(Some(&[]), form.flexible);
    }
}

/// Record bytes of an answer: at hand, or only announced and put in by whoever sends the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Records<'a> {
    #[default]
    Null,
    Bytes(&'a [u8]),
    /// That many bytes follow from elsewhere: the writer leaves a gap.
    External(u32),
}

impl Records<'_> {
    pub fn len(&self) -> usize {
        match self {
            Records::Null => 0,
            Records::Bytes(bytes) => bytes.len(),
            Records::External(len) => *len as usize,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> Value<'a> for Records<'a> {
    const KIND: Kind = Kind::Records;
    const OPTIONAL: bool = true;

    fn size_min(form: Form) -> usize {
        <&[u8]>::size_min(form)
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self> {
        Ok(reader.bytes(form.flexible)?.map_or(Records::Null, Records::Bytes))
    }

    fn write(&self, writer: &mut Writer<'_>, form: Form) {
        match self {
            Records::Null => writer.bytes(None, form.flexible),
            Records::Bytes(bytes) => writer.bytes(Some(bytes), form.flexible),
            Records::External(len) => writer.external(*len, form.flexible),
        }
    }
}

fn read_elements<'a, T: Value<'a>>(reader: &mut Reader<'a>, form: Form) -> Result<Option<Vec<T>>> {
    let form = form.of_element();
    let Some(count) = reader.count(form.flexible, T::size_min(form))? else {
        return Ok(None);
    };
    // An element can be larger in memory than on the wire: reserve no more bytes than the message
    // still has, and grow by elements that were really there.
    let reserved = count.min(reader.remaining() / size_of::<T>());
    let mut elements = Vec::with_capacity(reserved);
    for _ in 0..count {
        elements.push(T::read(reader, form)?);
    }
    Ok(Some(elements))
}

impl<'a, T: Value<'a>> Value<'a> for Vec<T> {
    const KIND: Kind = Kind::Array(&T::KIND);

    fn size_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self> {
        let null = reader.error(What::Null);
        read_elements(reader, form)?.ok_or(null)
    }

    fn write(&self, writer: &mut Writer<'_>, form: Form) {
        writer.count(Some(self.len()), form.flexible);
        for element in self {
            element.write(writer, form.of_element());
        }
    }
}

impl<'a, T: Value<'a>> Nullable<'a> for Vec<T> {
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>> {
        read_elements(reader, form)
    }

    fn write_null(writer: &mut Writer<'_>, form: Form) {
        writer.count(None, form.flexible);
    }

    fn write_empty(writer: &mut Writer<'_>, form: Form) {
        writer.count(Some(0), form.flexible);
    }
}

impl<'a, T: Nullable<'a>> Value<'a> for Option<T> {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = true;

    fn size_min(form: Form) -> usize {
        if form.nullable { T::null_size_min(form) } else { T::size_min(form) }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self> {
        if form.nullable { T::read_nullable(reader, form) } else { T::read(reader, form).map(Some) }
    }

    fn write(&self, writer: &mut Writer<'_>, form: Form) {
        match self {
            Some(value) if form.nullable => value.write_present(writer, form),
            Some(value) => value.write(writer, form),
            None if form.nullable => T::write_null(writer, form),
            None => T::write_empty(writer, form),
        }
    }
}
