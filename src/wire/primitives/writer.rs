//! Appends primitives to a vector of the caller's. Cannot fail: what the format cannot express is
//! either impossible by type or stated here.
//!
//! Record bytes that lie elsewhere (in a file, in another buffer) are written as their length only;
//! the writer notes where they belong, and whoever sends the frame puts them there.

use crate::base::varint;
use crate::model::ids::TopicId;
use crate::wire::primitives::STRING_LEN_MAX;

#[derive(Debug)]
pub struct Writer<'v> {
    bytes: &'v mut Vec<u8>,
    /// Positions in the vector at which external bytes are to be inserted, in the order in which
    /// they were announced.
    pub gaps: Vec<usize>,
    external_bytes: usize,
}

macro_rules! fixed {
    ($($name:ident)*) => {$(
        #[inline]
        pub fn $name(&mut self, value: $name) {
            self.bytes.extend_from_slice(&value.to_be_bytes());
        }
    )*};
}

impl<'v> Writer<'v> {
    pub fn new(bytes: &'v mut Vec<u8>) -> Writer<'v> {
        Writer { bytes, gaps: Vec::new(), external_bytes: 0 }
    }

    /// The vector's length: the position of the next byte, not counting external ones.
    pub fn position(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes announced but not written.
    pub fn external_bytes(&self) -> usize {
        self.external_bytes
    }

    /// Overwrites four bytes written earlier.
    pub fn patch_i32(&mut self, position: usize, value: i32) {
        self.bytes[position..position + 4].copy_from_slice(&value.to_be_bytes());
    }

    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fixed! { i8 u16 i16 u32 i32 i64 f64 }

    pub fn bool(&mut self, value: bool) {
        self.i8(i8::from(value));
    }

    pub fn uuid(&mut self, value: TopicId) {
        self.put(&value.0);
    }

    #[inline]
    pub fn unsigned_varint(&mut self, value: u32) {
        varint::write_u32(value, |byte| self.bytes.push(byte));
    }

    pub fn varint(&mut self, value: i32) {
        varint::write_i32(value, |byte| self.bytes.push(byte));
    }

    pub fn varlong(&mut self, value: i64) {
        varint::write_i64(value, |byte| self.bytes.push(byte));
    }

    /// A string; `flexible` chooses the compact form. One longer than the protocol allows is cut
    /// at the last character that fits.
    pub fn string(&mut self, value: Option<&str>, flexible: bool) {
        let value = value.map(|text| &text[..text.floor_char_boundary(STRING_LEN_MAX)]);
        match (value, flexible) {
            (None, false) => self.i16(-1),
            (None, true) => self.unsigned_varint(0),
            (Some(text), false) => self.i16(text.len() as i16),
            (Some(text), true) => self.unsigned_varint(text.len() as u32 + 1),
        }
        self.put(value.unwrap_or_default().as_bytes());
    }

    /// An array's count or a byte string's length; `None` is null.
    pub fn count(&mut self, count: Option<usize>, flexible: bool) {
        let count = count.map(|count| i32::try_from(count).expect("a length beyond the protocol"));
        if flexible {
            self.unsigned_varint(count.map_or(0, |count| count as u32 + 1));
        } else {
            self.i32(count.unwrap_or(-1));
        }
    }

    pub fn bytes(&mut self, value: Option<&[u8]>, flexible: bool) {
        self.count(value.map(<[u8]>::len), flexible);
        self.put(value.unwrap_or_default());
    }

    /// Writes the length of a byte string and notes a gap for its content.
    pub fn external(&mut self, len: u32, flexible: bool) {
        self.count(Some(len as usize), flexible);
        self.gaps.push(self.bytes.len());
        self.external_bytes += len as usize;
    }

    /// One tagged field. External bytes cannot lie inside.
    pub fn tag(&mut self, tag: u32, content: impl FnOnce(&mut Self)) {
        self.unsigned_varint(tag);
        let start = self.bytes.len();
        let gaps = self.gaps.len();
        content(self);
        assert_eq!(self.gaps.len(), gaps, "external bytes inside a tagged field");
        let size = self.bytes.len() - start;
        self.unsigned_varint(u32::try_from(size).expect("a length beyond the protocol"));
        self.bytes[start..].rotate_left(size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagged_field_is_preceded_by_its_size() {
        let mut bytes = vec![9];
        let mut writer = Writer::new(&mut bytes);
        writer.tag(5, |writer| writer.put(&[7; 200]));
        assert_eq!(bytes[..4], [9, 5, 200, 1]);
        assert_eq!(bytes[4..], [7; 200]);
    }

    #[test]
    fn external_bytes_leave_a_gap_and_their_length() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.external(200, true);
        writer.external(5, false);
        assert_eq!((writer.gaps.as_slice(), writer.external_bytes()), (&[2, 6][..], 205));
        assert_eq!(bytes, [201, 1, 0, 0, 0, 5]);
    }

    #[test]
    fn an_overlong_string_is_cut_between_characters() {
        let text = "ä".repeat(20_000);
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).string(Some(&text), false);
        assert_eq!(bytes[..2], 32_766u16.to_be_bytes());
        assert_eq!(bytes.len(), 2 + 32_766);
    }
}
