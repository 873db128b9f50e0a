//! Variable-length integers as protocol buffers and Kafka have them: seven bits a byte, lowest
//! first; signed ones zigzag.

/// Reads an unsigned number of at most 32 bits: the value and the bytes taken.
pub fn read_u32(bytes: &[u8]) -> Option<(u32, usize)> {
    let (value, taken) = read(bytes, 5)?;
    Some((u32::try_from(value).ok()?, taken))
}

pub fn read_u64(bytes: &[u8]) -> Option<(u64, usize)> {
    let (value, taken) = read(bytes, 10)?;
    Some((u64::try_from(value).ok()?, taken))
}

pub fn read_i32(bytes: &[u8]) -> Option<(i32, usize)> {
    let (raw, taken) = read_u32(bytes)?;
    Some((((raw >> 1) as i32) ^ -((raw & 1) as i32), taken))
}

pub fn read_i64(bytes: &[u8]) -> Option<(i64, usize)> {
    let (raw, taken) = read_u64(bytes)?;
    Some((((raw >> 1) as i64) ^ -((raw & 1) as i64), taken))
}

fn read(bytes: &[u8], most: usize) -> Option<(u128, usize)> {
    let mut value = 0u128;
    for (index, &byte) in bytes.iter().take(most).enumerate() {
        value |= u128::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Appends through `push`, which takes one byte at a time.
pub fn write_u64(mut value: u64, mut push: impl FnMut(u8)) {
    while value >= 0x80 {
        push(value as u8 | 0x80);
        value >>= 7;
    }
    push(value as u8);
}

pub fn write_u32(value: u32, push: impl FnMut(u8)) {
    write_u64(u64::from(value), push);
}

pub fn write_i64(value: i64, push: impl FnMut(u8)) {
    write_u64(((value << 1) ^ (value >> 63)) as u64, push);
}

pub fn write_i32(value: i32, push: impl FnMut(u8)) {
    write_u32(((value << 1) ^ (value >> 31)) as u32, push);
}

/// Bytes that `write_u64` needs.
pub fn len_u64(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_comes_back() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, !0 >> shift] {
                let mut bytes = Vec::new();
                write_u64(value, |b| bytes.push(b));
                assert_eq!(bytes.len(), len_u64(value));
                assert_eq!(read_u64(&bytes), Some((value, bytes.len())));
                let signed = value as i64;
                bytes.clear();
                write_i64(signed, |b| bytes.push(b));
                assert_eq!(read_i64(&bytes), Some((signed, bytes.len())));
                bytes.clear();
                write_i32(signed as i32, |b| bytes.push(b));
                assert_eq!(read_i32(&bytes), Some((signed as i32, bytes.len())));
            }
        }
    }

    #[test]
    fn too_long_and_too_short_are_refused() {
        assert_eq!(read_u32(&[0x80, 0x80]), None);
        assert_eq!(read_u32(&[0xff, 0xff, 0xff, 0xff, 0x7f]), None);
        assert_eq!(read_u64(&[0xff; 11]), None);
    }
}
