//! LZ4 frames. As in Kafka the default is the quick compressor, and any level set beside it the thorough
//! one; both write the same format, in blocks of 64 KiB that do not depend on each other: the Java
//! client refuses blocks that do.

use std::io::{self, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

/// Below it even the thorough compressor would be the quick one.
const LEVEL_MIN: u32 = 2;

pub fn compress(bytes: &[u8], level: Option<i32>) -> io::Result<Vec<u8>> {
    match level {
        None => quickly(bytes),
        Some(level) => thoroughly(bytes, u32::try_from(level).unwrap_or(0).max(LEVEL_MIN)),
    }
}

fn quickly(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes)?;
    encoder.finish().map_err(io::Error::other)
}

fn thoroughly(bytes: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = lz4::EncoderBuilder::new()
        .level(level)
        .block_size(lz4::BlockSize::Max64KB)
        .block_mode(lz4::BlockMode::Independent)
        .checksum(lz4::ContentChecksum::NoChecksum)
        .build(Vec::new())?;
    encoder.write_all(bytes)?;
    let (written, ended) = encoder.finish();
    ended.map(|()| written)
}
