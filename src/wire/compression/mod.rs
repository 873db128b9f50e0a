//! The codecs of record batches. The broker stores batches as they come; this is for tools, tests
//! and topics whose `compression.type` differs from what the producer chose.
//!
//! What comes out of `decompress` never exceeds the caller's bound, whatever the bytes announce.

mod lz4;
mod xerial;

use std::fmt;
use std::io::{Read, Write};

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

/// A codec, and how hard it tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    pub codec: Codec,
    /// As the codec counts; `None` for its own default, and for codecs that have none.
    pub level: Option<i32>,
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Compression {
        Compression { codec, level: None }
    }
}

pub fn compress(how: impl Into<Compression>, bytes: &[u8]) -> Vec<u8> {
    let Compression { codec, level } = how.into();
    let written = match codec {
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip => {
            let level = level.and_then(|level| u32::try_from(level).ok());
            let level = level.map_or(Default::default(), flate2::Compression::new);
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
        Codec::Snappy => Ok(xerial::compress(bytes)),
        Codec::Lz4 => lz4::compress(bytes, level),
        Codec::Zstd => {
            let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
            zstd::stream::encode_all(bytes, level)
        }
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
    fn a_level_is_obeyed_and_read_by_the_same_reader() {
        let mut random = Prng::new(3);
        let word = |number: u64| {
            let mut word = [7; 9];
            word[..8].copy_from_slice(&number.to_be_bytes());
            word
        };
        let words: Vec<[u8; 9]> = (0..500).map(|_| random.next_u64()).map(word).collect();
        let text: Vec<u8> = (0..20_000).flat_map(|_| words[random.below(500) as usize]).collect();
        let len = |codec, level| {
            let packed = compress(Compression { codec, level }, &text);
            assert!(codec.begins(&packed));
            assert_eq!(decompress(codec, &packed, text.len()).as_deref(), Ok(&text[..]));
            packed.len()
        };
        for (codec, low, high) in [(Codec::Gzip, 1, 9), (Codec::Lz4, 1, 12), (Codec::Zstd, -50, 19)]
        {
            let (fast, default, small) =
                (len(codec, Some(low)), len(codec, None), len(codec, Some(high)));
            // Beyond the default a level promises more work, not fewer bytes of every text.
            assert!(small < fast && default != fast, "{codec:?}: {fast}, {default}, {small}");
        }
        assert_eq!(len(Codec::Lz4, Some(17)), len(Codec::Lz4, Some(12)));
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
