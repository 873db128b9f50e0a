//! The codecs of record batches. The broker stores batches as they come; this is for tools, tests
//! and topics whose `compression.type` differs from what the producer chose.
//!
//! What comes out of `decompress` never exceeds the caller's bound, whatever the bytes announce.

use std::fmt;
use std::io::{self, Read, Write};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The number in a batch's attributes.
    pub fn id(self) -> i16 {
        self as i16
    }

    pub fn from_id(id: i16) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.id() == id)
    }

    /// The name in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// Whether records under this codec can begin so: as far as is seen without decompressing.
    pub fn begins(self, payload: &[u8]) -> bool {
        match self {
            // Snappy's frames are optional, and its blocks have no mark.
            Codec::None | Codec::Snappy => !payload.is_empty(),
            Codec::Gzip => payload.starts_with(&[0x1f, 0x8b]),
            Codec::Lz4 => payload.starts_with(&[0x04, 0x22, 0x4d, 0x18]),
            Codec::Zstd => match payload {
                [0x28, 0xb5, 0x2f, 0xfd, ..] => true,
                // A frame to be skipped may stand ahead.
                [mark, 0x2a, 0x4d, 0x18, ..] => mark & 0xf0 == 0x50,
                _ => false,
            },
        }
    }

    pub fn from_name(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.name() == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionError {
    /// The bytes are not what the codec writes.
    Corrupt,
    /// They hold more than the bound.
    TooLarge,
}

impl fmt::Display for CompressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CompressionError::Corrupt => "the compressed records are corrupt",
            CompressionError::TooLarge => "the compressed records hold too many bytes",
        })
    }
}

impl std::error::Error for CompressionError {}

pub fn compress(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let written = match codec {
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
        Codec::Snappy => Ok(xerial::compress(bytes)),
        Codec::Lz4 => {
            // The Java client refuses blocks that depend on each other.
            let info = lz4_flex::frame::FrameInfo::new()
                .block_size(lz4_flex::frame::BlockSize::Max64KB)
                .block_mode(lz4_flex::frame::BlockMode::Independent);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            let written = encoder.write_all(bytes);
            written.and_then(|()| encoder.finish().map_err(io::Error::other))
        }
        Codec::Zstd => zstd::stream::encode_all(bytes, zstd::DEFAULT_COMPRESSION_LEVEL),
    };
    written.expect("writing to memory")
}

/// Yields at most `bytes_max` bytes, or an error.
pub fn decompress(
    codec: Codec,
    bytes: &[u8],
    bytes_max: usize,
) -> Result<Vec<u8>, CompressionError> {
    match codec {
        Codec::None if bytes.len() > bytes_max => Err(CompressionError::TooLarge),
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip => read_all(flate2::read::MultiGzDecoder::new(bytes), bytes_max),
        Codec::Snappy => xerial::decompress(bytes, bytes_max),
        Codec::Lz4 => read_all(lz4_flex::frame::FrameDecoder::new(bytes), bytes_max),
        Codec::Zstd => {
            let decoder = zstd::stream::read::Decoder::new(bytes);
            read_all(decoder.map_err(|_| CompressionError::Corrupt)?, bytes_max)
        }
    }
}

fn read_all(reader: impl Read, bytes_max: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(limit).read_to_end(&mut out).map_err(|_| CompressionError::Corrupt)?;
    if out.len() > bytes_max { Err(CompressionError::TooLarge) } else { Ok(out) }
}

/// Snappy as the Java client has it: a header, then blocks with their lengths in front. Other
/// clients send one plain block without any of that; both are read.
mod xerial {
    use super::CompressionError;

    const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
    /// Magic, version and lowest compatible version, four bytes each.
    const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
    /// Bytes of input in one block, as the Java client has it.
    const BLOCK_BYTES: usize = 32 << 10;
    /// Snappy's densest element makes 64 bytes out of three; beyond that an announced length lies.
    const EXPANSION_MAX: usize = 22;

    pub fn compress(bytes: &[u8]) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        let mut encoder = snap::raw::Encoder::new();
        for block in bytes.chunks(BLOCK_BYTES) {
            let block = encoder.compress_vec(block).expect("a block is small");
            let len = u32::try_from(block.len()).expect("a block is small");
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(&block);
        }
        out
    }

    pub fn decompress(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, CompressionError> {
        let mut out = Vec::new();
        if !bytes.starts_with(&MAGIC) {
            append_block(&mut out, bytes, bytes_max)?;
            return Ok(out);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            // Streams may be concatenated, each with its header.
            if rest.starts_with(&MAGIC) {
                rest = rest.get(HEADER.len()..).ok_or(CompressionError::Corrupt)?;
                continue;
            }
            let (len, behind) = rest.split_first_chunk().ok_or(CompressionError::Corrupt)?;
            let len = u32::from_be_bytes(*len) as usize;
            let block = behind.get(..len).ok_or(CompressionError::Corrupt)?;
            append_block(&mut out, block, bytes_max)?;
            rest = &behind[len..];
        }
        Ok(out)
    }

    fn append_block(
        out: &mut Vec<u8>,
        block: &[u8],
        bytes_max: usize,
    ) -> Result<(), CompressionError> {
        let len = snap::raw::decompress_len(block).map_err(|_| CompressionError::Corrupt)?;
        if len > bytes_max - out.len() {
            return Err(CompressionError::TooLarge);
        }
        if len / EXPANSION_MAX > block.len() {
            return Err(CompressionError::Corrupt);
        }
        let start = out.len();
        out.resize(start + len, 0);
        let written = snap::raw::Decoder::new().decompress(block, &mut out[start..]);
        if written == Ok(len) { Ok(()) } else { Err(CompressionError::Corrupt) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prng::Prng;

    #[test]
    fn every_codec_gives_back_what_it_took() {
        let mut random = vec![0; 100_000];
        Prng::new(1).fill(&mut random);
        for codec in Codec::ALL {
            for bytes in [&b""[..], b"x", &[7; 300_000], &random] {
                let packed = compress(codec, bytes);
                assert_eq!(decompress(codec, &packed, bytes.len()).as_deref(), Ok(bytes));
            }
            assert_eq!(Codec::from_id(codec.id()), Some(codec));
            assert_eq!(Codec::from_name(codec.name()), Some(codec));
        }
        assert_eq!(Codec::from_id(5), None);
    }

    #[test]
    fn expansion_stops_at_the_bound() {
        for codec in Codec::ALL {
            let packed = compress(codec, &[0; 1 << 20]);
            let got = decompress(codec, &packed, (1 << 20) - 1);
            assert_eq!(got, Err(CompressionError::TooLarge), "{codec:?}");
        }
    }

    #[test]
    fn snappy_is_read_with_and_without_framing() {
        let text = b"a text, a text, a text, a text";
        let raw = snap::raw::Encoder::new().compress_vec(text).unwrap();
        assert_eq!(decompress(Codec::Snappy, &raw, 100).as_deref(), Ok(&text[..]));
        let twice = [compress(Codec::Snappy, text), compress(Codec::Snappy, text)].concat();
        assert_eq!(decompress(Codec::Snappy, &twice, 100).as_deref(), Ok(&text.repeat(2)[..]));
        let liar = [0xff, 0xff, 0xff, 0x7f, 0];
        assert_eq!(decompress(Codec::Snappy, &liar, 1 << 30), Err(CompressionError::Corrupt));
    }

    #[test]
    fn every_codec_begins_as_it_says() {
        for codec in Codec::ALL {
            assert!(codec.begins(&compress(codec, b"some text")), "{codec:?}");
            assert!(!codec.begins(b""), "{codec:?}");
            let marked = !matches!(codec, Codec::None | Codec::Snappy);
            assert_eq!(codec.begins(b"some text"), !marked, "{codec:?}");
        }
        assert!(Codec::Zstd.begins(&[0x5f, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]));
    }

    #[test]
    fn rubbish_is_an_error() {
        let mut random = Prng::new(2);
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let text = b"some text and some text".repeat(100);
            let good = compress(codec, &text);
            for len in 0..good.len() {
                let cut = decompress(codec, &good[..len], 1 << 20);
                assert!(cut.is_err() || text.starts_with(&cut.unwrap()), "{codec:?}, {len} bytes");
            }
            for _ in 0..2_000 {
                let mut bad = good.clone();
                bad[random.below(good.len() as u64) as usize] = random.next_u64() as u8;
                let _ = decompress(codec, &bad, 1 << 20);
            }
        }
    }
}
