//! What stands around a message: the length prefix and the headers. Says how long a frame is and
//! whose it is before anything else of it is read; never decides what to do about it.

use crate::wire::error::{Error, Result, What};
use crate::wire::message::{Api, Message};
use crate::wire::messages::{self, api_versions::ApiVersions};
use crate::wire::primitives::{Reader, Writer};

/// Bytes of the length prefix.
pub const LENGTH_SIZE: usize = 4;

/// ControlledShutdown, whose version 0 alone has the header without a client id.
const CONTROLLED_SHUTDOWN: i16 = 7;

/// The frame's length in bytes behind the prefix; refused unless in `1..=max`.
pub fn length(prefix: [u8; LENGTH_SIZE], max: usize) -> Result<usize> {
    match usize::try_from(i32::from_be_bytes(prefix)) {
        Ok(length) if (1..=max).contains(&length) => Ok(length),
        _ => Err(Error { what: What::FrameLength, position: 0 }),
    }
}

/// Which API a frame is for: the fields that stand first in every version of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKind {
    pub api_key: i16,
    pub version: i16,
    pub correlation_id: i32,
}

impl RequestKind {
    /// Looks at the first bytes of a frame, behind the length prefix; the rest need not be there.
    pub fn peek(frame: &[u8]) -> Result<RequestKind> {
        let mut reader = Reader::new(frame);
        Ok(RequestKind {
            api_key: reader.i16()?,
            version: reader.i16()?,
            correlation_id: reader.i32()?,
        })
    }

    /// The request header's version: 2 has tagged fields, 1 has a client id, 0 neither. An API
    /// that is not known here is taken for an inflexible one.
    pub fn header_version(self) -> i16 {
        match messages::api(self.api_key) {
            Some(api) if self.version >= api.flexible => 2,
            None if (self.api_key, self.version) == (CONTROLLED_SHUTDOWN, 0) => 0,
            _ => 1,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    pub api_key: i16,
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: Option<&'a str>,
}

impl<'a> RequestHeader<'a> {
    /// Reads the header in the version that its key and version call for; the body follows.
    pub fn decode(reader: &mut Reader<'a>) -> Result<RequestHeader<'a>> {
        let kind = RequestKind {
            api_key: reader.i16()?,
            version: reader.i16()?,
            correlation_id: reader.i32()?,
        };
        let header_version = kind.header_version();
        // The client id keeps its two-byte length in flexible versions too (KIP-511).
        let client_id = if header_version >= 1 { reader.string(false)? } else { None };
        if header_version >= 2 {
            reader.skip_tags()?;
        }
        Ok(RequestHeader {
            api_key: kind.api_key,
            version: kind.version,
            correlation_id: kind.correlation_id,
            client_id,
        })
    }

    pub fn encode(&self, writer: &mut Writer<'_>) {
        let kind = RequestKind {
            api_key: self.api_key,
            version: self.version,
            correlation_id: self.correlation_id,
        };
        let header_version = kind.header_version();
        writer.i16(self.api_key);
        writer.i16(self.version);
        writer.i32(self.correlation_id);
        if header_version >= 1 {
            writer.string(self.client_id, false);
        }
        if header_version >= 2 {
            writer.unsigned_varint(0);
        }
    }
}

/// Whether an API's response header has tagged fields. ApiVersions' never has: a client that does
/// not know yet which versions we speak must be able to read it (KIP-511).
fn response_header_is_flexible<A: Api>(version: i16) -> bool {
    A::KEY != ApiVersions::KEY && version >= A::FLEXIBLE
}

/// A frame being written: from `open` to `close`.
#[derive(Debug)]
#[must_use = "a frame's length is written by closing it"]
pub struct OpenFrame {
    start: usize,
    external_bytes: usize,
}

/// Leaves room for the length prefix.
pub fn open(writer: &mut Writer<'_>) -> OpenFrame {
    let frame = OpenFrame { start: writer.position(), external_bytes: writer.external_bytes() };
    writer.i32(0);
    frame
}

/// Writes the length prefix, which counts external bytes too.
pub fn close(writer: &mut Writer<'_>, frame: OpenFrame) {
    let written = writer.position() - frame.start - LENGTH_SIZE;
    let external = writer.external_bytes() - frame.external_bytes;
    let length = i32::try_from(written + external).expect("a frame beyond the protocol");
    writer.patch_i32(frame.start, length);
}

/// Appends a whole response frame: length, header, body.
pub fn write_response<A: Api>(
    writer: &mut Writer<'_>,
    version: i16,
    correlation_id: i32,
    body: &A::Response<'_>,
) {
    let frame = open(writer);
    writer.i32(correlation_id);
    if response_header_is_flexible::<A>(version) {
        writer.unsigned_varint(0);
    }
    body.encode(writer, version);
    close(writer, frame);
}

/// Reads a response header; the body follows. Yields the correlation id.
pub fn read_response_header<A: Api>(reader: &mut Reader<'_>, version: i16) -> Result<i32> {
    let correlation_id = reader.i32()?;
    if response_header_is_flexible::<A>(version) {
        reader.skip_tags()?;
    }
    Ok(correlation_id)
}

/// Appends a whole request frame: length, header, body.
pub fn write_request<A: Api>(
    writer: &mut Writer<'_>,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    body: &A::Request<'_>,
) {
    let frame = open(writer);
    RequestHeader { api_key: A::KEY, version, correlation_id, client_id }.encode(writer);
    body.encode(writer, version);
    close(writer, frame);
}
