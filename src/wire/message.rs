//! The notation in which every message is written down, once.
//!
//! ```text
//! message! {
//!     api Example = 99, versions 0-3, flexible 2+;
//!
//!     request ExampleRequest<'a> {
//!         name: Option<&'a str>, 0+, null 1+;           null from version 1
//!         timeout_ms: i32, 0-2, default 1000;           gone in version 3
//!         parts: Vec<Part>, 0+;
//!         hint: i64, 2+, tag 0, default -1;             a tagged field
//!     }
//!     response ExampleResponse { error_code: ErrorCode, 0+; }
//!     struct Part { index: i32, 0+; }
//! }
//! ```
//!
//! It makes plain structs that borrow from the bytes they were read from. A field that does not
//! exist in a version is left at its default when read and left out when written; a tagged field is
//! left out when it has its default value. Null in a version without null is written as empty.
//! Without `flexible`, no version is.
//! The default of an `Option` is `None` unless stated, also where Kafka's schema has the empty
//! string: an answer built with `..Default::default()` then says nothing rather than "".

use crate::wire::error::{Error, Result, What};
use crate::wire::primitives::{Reader, Writer};
use crate::wire::schema::{Shape, Versions};
use crate::wire::value::{Form, Value};

/// A whole request or response body.
pub trait Message<'a>: Value<'a> + Default + std::fmt::Debug + Clone + PartialEq {
    const VERSIONS: Versions;
    const FLEXIBLE: i16;
    const SHAPE: &'static Shape;

    /// Reads the body from the reader's position; what follows the body is left unread.
    fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self> {
        if !Self::VERSIONS.hold(version) {
            return Err(Error { what: What::Version, position: reader.position() });
        }
        Self::read(reader, Self::form(version))
    }

    /// Appends the body. The version must be one of the message's.
    fn encode(&self, writer: &mut Writer<'_>, version: i16) {
        assert!(Self::VERSIONS.hold(version), "{} has no version {version}", Self::SHAPE.name);
        self.write(writer, Self::form(version));
    }

    fn form(version: i16) -> Form {
        Form::new(version, version >= Self::FLEXIBLE)
    }
}

/// One API of the protocol: a name for a pair of messages.
pub trait Api {
    const KEY: i16;
    const NAME: &'static str;
    /// Lowest and highest version that can be decoded.
    const MIN: i16;
    const MAX: i16;
    /// The first flexible version: header with tagged fields, compact lengths.
    const FLEXIBLE: i16;
    type Request<'a>: Message<'a>;
    type Response<'a>: Message<'a>;
}

#[macro_export]
#[doc(hidden)]
macro_rules! message {
    (
        $(#[$meta:meta])*
        api $api:ident = $key:literal, versions $min:literal $(- $max:literal)?
            $(, flexible $flexible:literal +)?;
        request $request:ident $(<$request_lt:lifetime>)? { $($request_fields:tt)* }
        response $response:ident $(<$response_lt:lifetime>)? { $($response_fields:tt)* }
        $(struct $name:ident $(<$lt:lifetime>)? { $($fields:tt)* })*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub struct $api;

        impl $crate::wire::message::Api for $api {
            const KEY: i16 = $key;
            const NAME: &'static str = stringify!($api);
            const MIN: i16 = $min;
            const MAX: i16 = $crate::message!(@last $min $($max)?);
            const FLEXIBLE: i16 = $crate::message!(@flexible $($flexible)?);
            type Request<'a> = $request $(<$request_lt>)?;
            type Response<'a> = $response $(<$response_lt>)?;
        }

        $crate::message!(@struct $request $(<$request_lt>)? { $($request_fields)* });
        $crate::message!(@message $api $request $(<$request_lt>)?);
        $crate::message!(@struct $response $(<$response_lt>)? { $($response_fields)* });
        $crate::message!(@message $api $response $(<$response_lt>)?);
        $($crate::message!(@struct $name $(<$lt>)? { $($fields)* });)*
    };

    (@flexible) => { i16::MAX };
    (@flexible $first:literal) => { $first };

    (@last $min:literal) => { $min };
    (@last $min:literal $max:literal) => { $max };

    (@message $api:ident $name:ident $(<$lt:lifetime>)?) => {
        impl<'a> $crate::wire::message::Message<'a> for $name $(<$lt>)? {
            const VERSIONS: $crate::wire::schema::Versions =
                $crate::wire::schema::Versions::between(
                    <$api as $crate::wire::message::Api>::MIN,
                    <$api as $crate::wire::message::Api>::MAX,
                );
            const FLEXIBLE: i16 = <$api as $crate::wire::message::Api>::FLEXIBLE;
            const SHAPE: &'static $crate::wire::schema::Shape =
                match <Self as $crate::wire::value::Value<'a>>::KIND {
                    $crate::wire::schema::Kind::Struct(shape) => shape,
                    _ => unreachable!(),
                };
        }
    };

    (@versions $first:literal) => { $crate::wire::schema::Versions::from($first) };
    (@versions $first:literal $last:literal) => {
        $crate::wire::schema::Versions::between($first, $last)
    };

    (@default $ty:ty) => { <$ty as Default>::default() };
    (@default $ty:ty, $default:expr) => { $default };

    (@plain) => { true };
    (@plain $tag:literal) => { false };

    (@option) => { None::<_> };
    (@option $value:literal) => { Some($value) };

    (@text) => { "" };
    (@text $default:expr) => { stringify!($default) };

    (@struct $name:ident $(<$lt:lifetime>)? {
        $(
            $(#[$meta:meta])*
            $field:ident: $ty:ty, $first:literal $(+)? $(- $last:literal)?
            $(, tag $tag:literal)?
            $(, null $null:literal +)?
            $(, default $default:expr)?
            ;
        )*
    }) => {
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<$lt>)? {
            $($(#[$meta])* pub $field: $ty,)*
        }

        impl<'a> Default for $name $(<$lt>)? {
            fn default() -> Self {
                Self { $($field: $crate::message!(@default $ty $(, $default)?),)* }
            }
        }

        impl<'a> $crate::wire::value::Value<'a> for $name $(<$lt>)? {
            const KIND: $crate::wire::schema::Kind =
                $crate::wire::schema::Kind::Struct(&$crate::wire::schema::Shape {
                    name: stringify!($name),
                    fields: $crate::wire::schema::tags_ascending(&[$($crate::wire::schema::Field {
                        name: stringify!($field),
                        kind: <$ty as $crate::wire::value::Value<'a>>::KIND,
                        versions: $crate::message!(@versions $first $($last)?),
                        null_from: $crate::message!(@option $($null)?),
                        tag: $crate::message!(@option $($tag)?),
                        default: $crate::message!(@text $($default)?),
                    },)*]),
                });

            fn size_min(form: $crate::wire::value::Form) -> usize {
                let mut size = usize::from(form.flexible);
                $(
                    const {
                        let null: Option<i16> = $crate::message!(@option $($null)?);
                        assert!(
                            <$ty as $crate::wire::value::Value<'a>>::OPTIONAL == null.is_some(),
                            "a field is an Option exactly when it has a null"
                        );
                    }
                    if $crate::message!(@plain $($tag)?)
                        && $crate::message!(@versions $first $($last)?).hold(form.version)
                    {
                        let form = form.null_from($crate::message!(@option $($null)?));
                        size += <$ty as $crate::wire::value::Value<'a>>::size_min(form);
                    }
                )*
                size
            }

            fn read(
                reader: &mut $crate::wire::Reader<'a>,
                form: $crate::wire::value::Form,
            ) -> $crate::wire::Result<Self> {
                let mut this = Self::default();
                $(
                    if $crate::message!(@plain $($tag)?)
                        && $crate::message!(@versions $first $($last)?).hold(form.version)
                    {
                        let form = form.null_from($crate::message!(@option $($null)?));
                        this.$field = <$ty as $crate::wire::value::Value<'a>>::read(reader, form)?;
                    }
                )*
                if form.flexible {
                    reader.tags(|tag, content| {
                        $(
                            if $crate::message!(@option $($tag)?) == Some(tag)
                                && $crate::message!(@versions $first $($last)?).hold(form.version)
                            {
                                let form = form
                                    .null_from($crate::message!(@option $($null)?))
                                    .in_tag();
                                this.$field =
                                    <$ty as $crate::wire::value::Value<'a>>::read(content, form)?;
                                return Ok(true);
                            }
                        )*
                        let _ = (tag, content);
                        Ok(false)
                    })?;
                }
                Ok(this)
            }

            fn write(
                &self,
                writer: &mut $crate::wire::Writer<'_>,
                form: $crate::wire::value::Form,
            ) {
                $(
                    if $crate::message!(@plain $($tag)?)
                        && $crate::message!(@versions $first $($last)?).hold(form.version)
                    {
                        let form = form.null_from($crate::message!(@option $($null)?));
                        <$ty as $crate::wire::value::Value<'a>>::write(&self.$field, writer, form);
                    }
                )*
                if form.flexible {
                    let mut tags = 0;
                    $(
                        let $field = !$crate::message!(@plain $($tag)?)
                            && $crate::message!(@versions $first $($last)?).hold(form.version)
                            && self.$field != $crate::message!(@default $ty $(, $default)?);
                        tags += u32::from($field);
                    )*
                    writer.unsigned_varint(tags);
                    $(
                        if $field && let Some(tag) = $crate::message!(@option $($tag)?) {
                            let form = form
                                .null_from($crate::message!(@option $($null)?))
                                .in_tag();
                            writer.tag(tag, |writer| {
                                <$ty as $crate::wire::value::Value<'a>>::write(
                                    &self.$field, writer, form,
                                );
                            });
                        }
                    )*
                }
            }
        }

        impl<'a> $crate::wire::value::Nullable<'a> for $name $(<$lt>)? {
            fn null_size_min(_: $crate::wire::value::Form) -> usize {
                1
            }

            fn read_nullable(
                reader: &mut $crate::wire::Reader<'a>,
                form: $crate::wire::value::Form,
            ) -> $crate::wire::Result<Option<Self>> {
                let null = if form.tagged {
                    reader.unsigned_varint()? == 0
                } else {
                    reader.i8()? < 0
                };
                if null {
                    return Ok(None);
                }
                <Self as $crate::wire::value::Value<'a>>::read(reader, form).map(Some)
            }

            fn write_null(
                writer: &mut $crate::wire::Writer<'_>,
                form: $crate::wire::value::Form,
            ) {
                writer.i8(if form.tagged { 0 } else { -1 });
            }

            fn write_present(
                &self,
                writer: &mut $crate::wire::Writer<'_>,
                form: $crate::wire::value::Form,
            ) {
                writer.i8(1);
                <Self as $crate::wire::value::Value<'a>>::write(self, writer, form);
            }

            fn write_empty(
                writer: &mut $crate::wire::Writer<'_>,
                form: $crate::wire::value::Form,
            ) {
                <Self as $crate::wire::value::Value<'a>>::write(&Self::default(), writer, form);
            }
        }
    };
}
