//! One frame of metadata: a header, then an rkyv archive. Little-endian.
//!
//! ```text
//!  0       4         6       8        16        20        24
//!  | magic | version | joins |  index |  length |  crc    | payload ...
//! ```
//!
//! `joins` is 1 in a frame that was written in one go with the frame before it, otherwise 0.
//! `length` counts the payload, `crc` is CRC-32C over the header before it and the payload. The
//! magic is no UTF-8, so no text inside a payload can pass for the beginning of a frame. A length
//! is believed only after the checksum over what it spans.

use std::fmt;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Magic(pub [u8; 4]);

pub(super) const COMMAND: Magic = Magic(*b"\xf5RMc");
pub(super) const SNAPSHOT: Magic = Magic(*b"\xf5RMs");
pub(super) const GROUPS: Magic = Magic(*b"\xf5RMg");
pub(super) const DIRECTORIES: Magic = Magic(*b"\xf5RMd");

/// Raised with every change of an archived type; older ones stay readable by types of their own.
pub(super) const VERSION: u16 = 1;

pub(super) const HEADER_LEN: usize = 24;
const CRC_AT: usize = 20;

/// Why bytes are not a whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameFault {
    /// The bytes end before the frame does.
    Short,
    Magic,
    /// The header announces more than any frame holds.
    Length(usize),
    Checksum,
    /// A whole frame of a version this broker does not read.
    Version(u16),
    /// A whole frame whose payload is not what its version says.
    Payload(String),
}

impl fmt::Display for FrameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameFault::Short => f.write_str("the bytes end inside the frame"),
            FrameFault::Magic => f.write_str("no frame begins here"),
            FrameFault::Length(length) => write!(f, "a length of {length} is beyond the limit"),
            FrameFault::Checksum => f.write_str("the checksum does not fit"),
            FrameFault::Version(version) => {
                write!(f, "format version {version} is unknown, this broker reads {VERSION}")
            }
            FrameFault::Payload(fault) => write!(f, "the payload is not valid: {fault}"),
        }
    }
}

impl std::error::Error for FrameFault {}

/// A frame whose checksum holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub index: u64,
    /// It was written in one go with the frame before it.
    pub joins: bool,
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Bytes of header and payload.
    pub fn len(&self) -> usize {
        HEADER_LEN + self.payload.len()
    }
}

pub(super) fn seal(magic: Magic, index: u64, joins: bool, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("payloads are bounded far below 4 GiB");
    let mut bytes = Vec::with_capacity(HEADER_LEN + payload.len());
    bytes.extend_from_slice(&magic.0);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&u16::from(joins).to_le_bytes());
    bytes.extend_from_slice(&index.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), payload);
    bytes.extend_from_slice(&crc.to_le_bytes());
    assert_eq!(bytes.len(), HEADER_LEN);
    bytes.extend_from_slice(payload);
    bytes
}

/// The frame at the beginning of `bytes`; what follows it is not looked at.
pub(super) fn open(
    magic: Magic,
    bytes: &[u8],
    payload_len_max: usize,
) -> Result<Frame<'_>, FrameFault> {
    let given = &bytes[..bytes.len().min(magic.0.len())];
    if given != &magic.0[..given.len()] {
        return Err(FrameFault::Magic);
    }
    let (header, rest) = bytes.split_at_checked(HEADER_LEN).ok_or(FrameFault::Short)?;
    let length = u32::from_le_bytes(field(header, 16)) as usize;
    if length > payload_len_max {
        return Err(FrameFault::Length(length));
    }
    let payload = rest.get(..length).ok_or(FrameFault::Short)?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header[..CRC_AT]), payload);
    if crc != u32::from_le_bytes(field(header, CRC_AT)) {
        return Err(FrameFault::Checksum);
    }
    let version = u16::from_le_bytes(field(header, 4));
    if version != VERSION {
        return Err(FrameFault::Version(version));
    }
    let joins = u16::from_le_bytes(field(header, 6)) == 1;
    Ok(Frame { index: u64::from_le_bytes(field(header, 8)), joins, payload })
}

fn field<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    header[at..at + N].try_into().expect("inside the header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_and_no_flipped_bit_passes() {
        let sealed = seal(COMMAND, 7, false, b"payload");
        let frame = open(COMMAND, &sealed, 7).expect("a good frame");
        assert_eq!((frame.index, frame.payload, frame.len()), (7, &b"payload"[..], sealed.len()));
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(COMMAND, &flipped, 1 << 30).is_err(), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert_eq!(open(COMMAND, &sealed[..len], 7), Err(FrameFault::Short), "{len} bytes");
        }
        assert_eq!(open(SNAPSHOT, &sealed, 7), Err(FrameFault::Magic));
        assert_eq!(open(COMMAND, &sealed, 6), Err(FrameFault::Length(7)));
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut sealed = seal(COMMAND, 7, false, b"payload");
        sealed[4] = 2;
        assert_eq!(open(COMMAND, &sealed, 7), Err(FrameFault::Checksum));
        let crc = crc32c::crc32c_append(crc32c::crc32c(&sealed[..CRC_AT]), b"payload");
        sealed[CRC_AT..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(open(COMMAND, &sealed, 7), Err(FrameFault::Version(2)));
    }

    #[test]
    fn the_magic_is_no_text() {
        for magic in [COMMAND, SNAPSHOT, DIRECTORIES] {
            assert!(std::str::from_utf8(&magic.0).is_err());
        }
    }
}
