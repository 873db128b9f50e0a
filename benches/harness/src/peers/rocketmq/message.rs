//! Messages as RocketMQ packs them: several into one request, and as it stores and serves them.

use std::io;

/// Of a message's parts in a request of several.
pub fn pack(into: &mut Vec<u8>, payload: &[u8]) {
    let length = 4 + 4 + 4 + 4 + 4 + payload.len() + 2;
    into.extend((length as u32).to_be_bytes());
    // Magic code and checksum are the broker's business; then flags: none.
    into.extend([0; 12]);
    into.extend((payload.len() as u32).to_be_bytes());
    into.extend(payload);
    // No properties.
    into.extend([0; 2]);
}

/// An address of version 6 takes twelve bytes more.
const BORN_HOST_V6: u32 = 1 << 4;
const STORE_HOST_V6: u32 = 1 << 5;

/// The payloads of what a pull brought.
pub fn payloads(mut stored: &[u8], mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let short = || io::Error::new(io::ErrorKind::UnexpectedEof, "a message cut short");
    while !stored.is_empty() {
        let length = number(stored, 0).ok_or_else(short)? as usize;
        let (message, rest) = stored.split_at_checked(length).ok_or_else(short)?;
        if length == 0 {
            return Err(short());
        }
        each(payload(message).ok_or_else(short)?);
        stored = rest;
    }
    Ok(())
}

/// ```text
/// length | magic | checksum | queue | flags | queue offset u64 | position u64 | system flags |
/// born u64 | born host | stored u64 | storing host | times u32 | prepared u64 | payload | ...
/// ```
fn payload(message: &[u8]) -> Option<&[u8]> {
    let flags = number(message, 36)?;
    let host = |mask: u32| if flags & mask != 0 { 20 } else { 8 };
    let at = 40 + 8 + host(BORN_HOST_V6) + 8 + host(STORE_HOST_V6) + 4 + 8;
    let length = number(message, at)? as usize;
    message.get(at + 4..)?.get(..length)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(payload: &[u8], flags: u32, host: usize) -> Vec<u8> {
        let mut message = vec![0; 36];
        message.extend(flags.to_be_bytes());
        message.extend(vec![1; 8 + host + 8 + host + 4 + 8]);
        message.extend((payload.len() as u32).to_be_bytes());
        message.extend(payload);
        message.extend([1, b't', 0, 0]);
        let length = message.len() as u32;
        message[..4].copy_from_slice(&length.to_be_bytes());
        message
    }

    #[test]
    fn payloads_are_found_behind_hosts_of_both_lengths() {
        let both =
            [stored(b"one", 0, 8), stored(b"two", BORN_HOST_V6 | STORE_HOST_V6, 20)].concat();
        let mut found = Vec::new();
        payloads(&both, |payload| found.push(payload.to_vec())).unwrap();
        assert_eq!(found, [b"one", b"two"]);
        assert!(payloads(&both[..both.len() - 1], |_| ()).is_err());
        assert!(payloads(&[0; 4], |_| ()).is_err());
    }

    #[test]
    fn a_packed_message_says_how_long_it_is() {
        let mut packed = Vec::new();
        pack(&mut packed, b"x");
        assert_eq!(packed.len(), 23);
        assert_eq!(number(&packed, 0), Some(23));
        assert_eq!((number(&packed, 16), packed[20]), (Some(1), b'x'));
    }
}
