//! Snappy as the Java client has it: a header, then blocks with their lengths in front. Other
//! clients send one plain block without any of that; both are read.

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

fn append_block(out: &mut Vec<u8>, block: &[u8], bytes_max: usize) -> Result<(), CompressionError> {
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
