//! Frames of RabbitMQ's stream protocol, version 1.
//!
//! ```text
//! length u32 | key u16 | version u16 | correlation u32 (of requests that are answered) | content
//! ```

use std::io;

pub const DECLARE_PUBLISHER: u16 = 0x01;
pub const PUBLISH: u16 = 0x02;
pub const PUBLISH_CONFIRM: u16 = 0x03;
pub const PUBLISH_ERROR: u16 = 0x04;
pub const SUBSCRIBE: u16 = 0x07;
pub const DELIVER: u16 = 0x08;
pub const CREDIT: u16 = 0x09;
pub const CREATE: u16 = 0x0d;
pub const METADATA_UPDATE: u16 = 0x10;
pub const PEER_PROPERTIES: u16 = 0x11;
pub const SASL_HANDSHAKE: u16 = 0x12;
pub const SASL_AUTHENTICATE: u16 = 0x13;
pub const TUNE: u16 = 0x14;
pub const OPEN: u16 = 0x15;
pub const CLOSE: u16 = 0x16;
pub const HEARTBEAT: u16 = 0x17;
pub const ANSWER: u16 = 0x8000;

const VERSION: u16 = 1;

/// How a payload is a message: AMQP 1.0, one section of data, with a length of four bytes.
const AMQP_DATA: [u8; 4] = [0x00, 0x53, 0x75, 0xb0];
const AMQP_DATA_SHORT: [u8; 4] = [0x00, 0x53, 0x75, 0xa0];

/// What is written: frames one after another.
#[derive(Default)]
pub struct Frames {
    pub bytes: Vec<u8>,
    began: usize,
}

impl Frames {
    pub fn begin(&mut self, key: u16) -> &mut Frames {
        self.began = self.bytes.len();
        self.u32(0).u16(key).u16(VERSION)
    }

    pub fn end(&mut self) {
        let length = (self.bytes.len() - self.began - 4) as u32;
        self.bytes[self.began..self.began + 4].copy_from_slice(&length.to_be_bytes());
    }

    pub fn u8(&mut self, value: u8) -> &mut Frames {
        self.bytes.push(value);
        self
    }

    pub fn u16(&mut self, value: u16) -> &mut Frames {
        self.bytes.extend(value.to_be_bytes());
        self
    }

    pub fn u32(&mut self, value: u32) -> &mut Frames {
        self.bytes.extend(value.to_be_bytes());
        self
    }

    pub fn u64(&mut self, value: u64) -> &mut Frames {
        self.bytes.extend(value.to_be_bytes());
        self
    }

    pub fn string(&mut self, text: &str) -> &mut Frames {
        self.u16(text.len() as u16);
        self.bytes.extend(text.as_bytes());
        self
    }

    pub fn map(&mut self, entries: &[(&str, &str)]) -> &mut Frames {
        self.u32(entries.len() as u32);
        for (key, value) in entries {
            self.string(key).string(value);
        }
        self
    }

    /// A payload as a message, with its length before it.
    pub fn message(&mut self, payload: &[u8]) -> &mut Frames {
        self.u32((AMQP_DATA.len() + 4 + payload.len()) as u32);
        self.bytes.extend(AMQP_DATA);
        self.u32(payload.len() as u32);
        self.bytes.extend(payload);
        self
    }
}

/// What is read. Nothing is believed of a length that the frame does not hold.
pub struct Reading<'a>(pub &'a [u8]);

impl<'a> Reading<'a> {
    pub fn bytes(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(short)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        Ok(self.bytes(N)?.try_into().expect("as many bytes as asked for"))
    }

    pub fn u8(&mut self) -> io::Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> io::Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> io::Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> io::Result<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub fn string(&mut self) -> io::Result<&'a str> {
        let length = self.u16()? as i16;
        let bytes = self.bytes(usize::try_from(length).unwrap_or(0))?;
        std::str::from_utf8(bytes).map_err(io::Error::other)
    }

    pub fn map(&mut self) -> io::Result<Vec<(&'a str, &'a str)>> {
        let count = self.u32()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push((self.string()?, self.string()?));
        }
        Ok(entries)
    }
}

fn short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "a frame that is shorter than it says")
}

/// The payloads of a chunk, as it is delivered: each entry is a message or a batch of them.
pub fn payloads(chunk: &mut Reading<'_>, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let _magic_and_type = chunk.u16()?;
    let entries = chunk.u16()?;
    let _records = chunk.u32()?;
    let _timestamp_epoch_offset = chunk.bytes(24)?;
    let _crc_lengths_reserved = chunk.bytes(16)?;
    for _ in 0..entries {
        let length = chunk.u32()?;
        if length >> 31 == 1 {
            return Err(io::Error::other("a batch within a chunk, which nobody here has sent"));
        }
        each(payload(chunk.bytes(length as usize)?)?);
    }
    Ok(())
}

/// What the message's first section holds; ours have no other.
fn payload(message: &[u8]) -> io::Result<&[u8]> {
    let mut reading = Reading(message);
    let length = match reading.bytes(4)? {
        head if head == AMQP_DATA => reading.u32()? as usize,
        head if head == AMQP_DATA_SHORT => reading.u8()?.into(),
        _ => return Err(io::Error::other("a message that is not one section of data")),
    };
    reading.bytes(length)
}

/// What a code of an answer means, as far as one can meet it here.
pub fn code(code: u16) -> Option<String> {
    let meaning = match code {
        1 => return None,
        2 => "the stream does not exist",
        5 => "the stream exists already",
        6 => "the stream is not available",
        8 => "the user or the password is wrong",
        10 => "no access to the virtual host",
        13 => "a frame is too large",
        15 => "an error within the broker",
        16 => "access is refused",
        17 => "a precondition failed",
        18 => "the publisher does not exist",
        _ => return Some(format!("code {code}")),
    };
    Some(format!("code {code}: {meaning}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_comes_back_from_a_chunk() {
        let mut chunk = Frames::default();
        chunk.u16(0x5000).u16(2).u32(2).u64(0).u64(1).u64(7).u64(0).u64(0);
        chunk.message(b"one").message(b"");
        let mut found = Vec::new();
        payloads(&mut Reading(&chunk.bytes), |payload| found.push(payload.to_vec())).unwrap();
        assert_eq!(found, [b"one".to_vec(), Vec::new()]);
        let cut = &chunk.bytes[..chunk.bytes.len() - 1];
        assert!(payloads(&mut Reading(cut), |_| ()).is_err());
    }

    #[test]
    fn a_frame_says_how_long_it_is() {
        let mut frames = Frames::default();
        frames.begin(OPEN).u32(3).string("/").end();
        frames.begin(HEARTBEAT).end();
        let expected = [
            &[0, 0, 0, 11, 0, 0x15, 0, 1, 0, 0, 0, 3, 0, 1, b'/'][..],
            &[0, 0, 0, 4, 0, 0x17, 0, 1],
        ];
        assert_eq!(frames.bytes, expected.concat());
    }
}
