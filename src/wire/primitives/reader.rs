//! Reads primitives from a slice and lends parts of it. Never copies, never allocates, never reads
//! past the end: what is missing or out of range is an `Error` with its position.

use crate::base::varint;
use crate::model::ids::TopicId;
use crate::wire::error::{Error, Result, What};
use crate::wire::primitives::STRING_LEN_MAX;

#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

macro_rules! fixed {
    ($($name:ident)*) => {$(
        #[inline]
        pub fn $name(&mut self) -> Result<$name> {
            Ok($name::from_be_bytes(self.array()?))
        }
    )*};
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, position: 0 }
    }

    pub fn position(&self) -> usize {
        self.position
    }

    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The error for something noticed here.
    #[cold]
    pub fn error(&self, what: What) -> Error {
        Error { what, position: self.position }
    }

    /// Refuses bytes behind the end of a message.
    pub fn expect_end(&self) -> Result<()> {
        if self.remaining() == 0 { Ok(()) } else { Err(self.error(What::Trailing)) }
    }

    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let taken =
            self.bytes[self.position..].get(..len).ok_or_else(|| self.error(What::Short))?;
        self.position += len;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let chunk = self.bytes[self.position..].first_chunk().copied();
        let chunk = chunk.ok_or_else(|| self.error(What::Short))?;
        self.position += N;
        Ok(chunk)
    }

    fixed! { i8 u16 i16 u32 i32 i64 f64 }

    /// Zero is false, everything else true.
    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.i8()? != 0)
    }

    pub fn uuid(&mut self) -> Result<TopicId> {
        Ok(TopicId(self.array()?))
    }

    /// An unsigned number of 32 bits, seven bits a byte.
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32> {
        self.variable(5, varint::read_u32)
    }

    /// A zigzag number of 32 bits.
    pub fn varint(&mut self) -> Result<i32> {
        self.variable(5, varint::read_i32)
    }

    /// A zigzag number of 64 bits.
    pub fn varlong(&mut self) -> Result<i64> {
        self.variable(10, varint::read_i64)
    }

    #[inline]
    fn variable<T>(&mut self, most: usize, read: fn(&[u8]) -> Option<(T, usize)>) -> Result<T> {
        let Some((value, taken)) = read(&self.bytes[self.position..]) else {
            let what = if self.remaining() < most { What::Short } else { What::Varint };
            return Err(self.error(what));
        };
        self.position += taken;
        Ok(value)
    }

    /// A length that may be null: `fixed` reads the form of inflexible versions.
    fn len(
        &mut self,
        flexible: bool,
        fixed: fn(&mut Self) -> Result<i32>,
    ) -> Result<Option<usize>> {
        let start = self.position;
        let len =
            if flexible { i64::from(self.unsigned_varint()?) - 1 } else { i64::from(fixed(self)?) };
        match len {
            -1 => Ok(None),
            0..=0x7fff_ffff => Ok(Some(len as usize)),
            _ => Err(Error { what: What::Length, position: start }),
        }
    }

    /// A string, or `None` for null; `flexible` chooses the compact form.
    pub fn string(&mut self, flexible: bool) -> Result<Option<&'a str>> {
        let start = self.position;
        let Some(len) = self.len(flexible, |reader| Ok(i32::from(reader.i16()?)))? else {
            return Ok(None);
        };
        if len > STRING_LEN_MAX {
            return Err(Error { what: What::Length, position: start });
        }
        let bytes = self.take(len)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Error { what: What::Utf8, position: start }),
        }
    }

    /// The length of a byte string, or `None` for null, leaving its content unread.
    pub fn bytes_len(&mut self, flexible: bool) -> Result<Option<usize>> {
        self.len(flexible, Reader::i32)
    }

    pub fn bytes(&mut self, flexible: bool) -> Result<Option<&'a [u8]>> {
        match self.bytes_len(flexible)? {
            Some(len) => self.take(len).map(Some),
            None => Ok(None),
        }
    }

    /// An array's count, or `None` for null. A count of elements of at least `size_min` bytes each
    /// that the remaining bytes cannot hold is refused here, before anything is reserved for it.
    pub fn count(&mut self, flexible: bool, size_min: usize) -> Result<Option<usize>> {
        let start = self.position;
        let count = self.len(flexible, Reader::i32)?;
        if count.is_some_and(|count| count > self.remaining() / size_min.max(1)) {
            return Err(Error { what: What::Count, position: start });
        }
        Ok(count)
    }

    /// Reads a block of tagged fields. `read` gets each tag with a reader of just its content and
    /// says whether it knew the tag; unknown ones are skipped.
    pub fn tags(
        &mut self,
        mut read: impl FnMut(u32, &mut Reader<'a>) -> Result<bool>,
    ) -> Result<()> {
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()? as usize;
            let start = self.position;
            self.take(size)?;
            let mut content = Reader { bytes: &self.bytes[..self.position], position: start };
            if read(tag, &mut content)? && content.remaining() > 0 {
                return Err(content.error(What::TagSize));
            }
        }
        Ok(())
    }

    pub fn skip_tags(&mut self) -> Result<()> {
        self.tags(|_, _| Ok(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_the_bytes_cannot_hold_are_refused() {
        let check = |bytes: &[u8], flexible, size_min, expected| {
            let got = Reader::new(bytes).count(flexible, size_min).map_err(|error| error.what);
            assert_eq!(got, expected, "{bytes:?}");
        };
        check(&[0, 0, 0, 2, 9, 9], false, 1, Ok(Some(2)));
        check(&[0, 0, 0, 2, 9, 9], false, 2, Err(What::Count));
        check(&[0x7f, 0xff, 0xff, 0xff, 9], false, 0, Err(What::Count));
        check(&[0xff, 0xff, 0xff, 0xff], false, 1, Ok(None));
        check(&[0xff, 0xff, 0xff, 0xfe], false, 1, Err(What::Length));
        check(&[0], true, 1, Ok(None));
        check(&[3, 9, 9], true, 1, Ok(Some(2)));
        check(&[0xff, 0xff, 0xff, 0xff, 0x0f], true, 1, Err(What::Length));
        check(&[0x80, 0x80, 0x80, 0x80, 0x08], true, 1, Err(What::Count));
        check(&[0xff, 0xff, 0xff, 0xff, 0x7f], true, 1, Err(What::Varint));
        check(&[0xff], true, 1, Err(What::Short));
    }

    #[test]
    fn strings_are_bounded_and_utf8() {
        let check = |bytes: &[u8], flexible, expected| {
            let got = Reader::new(bytes).string(flexible).map_err(|error| error.what);
            assert_eq!(got, expected, "{bytes:?}");
        };
        check(&[0, 2, b'h', b'i'], false, Ok(Some("hi")));
        check(&[0xff, 0xff], false, Ok(None));
        check(&[0xff, 0xfe], false, Err(What::Length));
        check(&[0, 1, 0xff], false, Err(What::Utf8));
        check(&[0, 3, b'h', b'i'], false, Err(What::Short));
        check(&[3, b'h', b'i'], true, Ok(Some("hi")));
        check(&[0x81, 0x80, 0x02], true, Err(What::Length));
    }

    #[test]
    fn unknown_tags_are_skipped_and_known_ones_must_fill_their_size() {
        let bytes = [2, 7, 1, 0xaa, 9, 2, 0, 5];
        let mut seen = 0;
        let mut reader = Reader::new(&bytes);
        let read = reader.tags(|tag, content| {
            if tag == 9 {
                seen = content.i16()?;
            }
            Ok(tag == 9)
        });
        assert_eq!((read, seen, reader.remaining()), (Ok(()), 5, 0));
        let short = Reader::new(&bytes).tags(|_, content| content.i8().map(|_| true));
        assert_eq!(short, Err(Error { what: What::TagSize, position: 7 }));
        let long = Reader::new(&bytes).tags(|_, content| content.i64().map(|_| true));
        assert_eq!(long, Err(Error { what: What::Short, position: 3 }));
    }
}
