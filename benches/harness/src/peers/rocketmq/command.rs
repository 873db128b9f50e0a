//! A command of RocketMQ's remoting protocol: both requests and answers.
//!
//! ```text
//! length u32 | form u8 (0: JSON) | header length u24 | header | body
//! ```

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const PULL_MESSAGE: i32 = 11;
pub const UPDATE_AND_CREATE_TOPIC: i32 = 17;
pub const GET_BROKER_RUNTIME_INFO: i32 = 28;
pub const GET_MAX_OFFSET: i32 = 30;
pub const SEND_MESSAGE_V2: i32 = 310;
pub const SEND_BATCH_MESSAGE: i32 = 320;

pub const SUCCESS: i32 = 0;
pub const PULL_NOT_FOUND: i32 = 19;
pub const PULL_RETRY_IMMEDIATELY: i32 = 20;
pub const PULL_OFFSET_MOVED: i32 = 21;

/// What a 5.x client calls itself; the broker looks at it for what it may answer.
const VERSION: i32 = 477;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Header {
    code: i32,
    language: String,
    version: i32,
    opaque: i32,
    flag: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    ext_fields: Value,
}

#[derive(Debug, Default)]
pub struct Command {
    pub code: i32,
    /// By which a request knows its answer.
    pub opaque: i32,
    pub fields: Value,
    pub remark: String,
    pub body: Vec<u8>,
}

impl Command {
    pub fn new(code: i32) -> Command {
        Command { code, ..Command::default() }
    }

    pub fn with(self, fields: Value) -> Command {
        Command { fields, ..self }
    }

    pub fn write(&self, into: &mut Vec<u8>) -> io::Result<()> {
        let header = Header {
            code: self.code,
            language: "OTHER".into(),
            version: VERSION,
            opaque: self.opaque,
            flag: 0,
            remark: None,
            ext_fields: self.fields.clone(),
        };
        let header = serde_json::to_vec(&header)?;
        into.extend(((4 + header.len() + self.body.len()) as u32).to_be_bytes());
        // The highest byte is the form of the header: JSON.
        into.extend((header.len() as u32).to_be_bytes());
        into.extend(header);
        into.extend(&self.body);
        Ok(())
    }

    /// What stands behind the length of a frame.
    pub fn read(frame: &[u8]) -> io::Result<Command> {
        let short = || io::Error::new(io::ErrorKind::UnexpectedEof, "a command cut short");
        let (form, rest) = frame.split_first_chunk::<4>().ok_or_else(short)?;
        let form = u32::from_be_bytes(*form);
        if form >> 24 != 0 {
            return Err(io::Error::other("a header that is not JSON"));
        }
        let (header, body) = rest.split_at_checked(form as usize).ok_or_else(short)?;
        let header: Header = serde_json::from_slice(header)?;
        Ok(Command {
            code: header.code,
            opaque: header.opaque,
            fields: header.ext_fields,
            remark: header.remark.unwrap_or_default(),
            body: body.to_vec(),
        })
    }

    /// A number among the fields: they are text.
    pub fn number(&self, field: &str) -> io::Result<i64> {
        let text = self.fields.get(field).and_then(Value::as_str);
        let number = text.and_then(|text| text.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("an answer without a number {field}")))
    }

    /// What is wrong, where something is: the first line of what the broker remarks.
    pub fn refusal(&self) -> Option<String> {
        let remark = self.remark.lines().next().unwrap_or_default();
        (self.code != SUCCESS).then(|| format!("RocketMQ answers code {}: {remark}", self.code))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_reads_as_it_was_written() {
        let command = Command { opaque: 7, body: b"body".to_vec(), ..Command::new(30) };
        let command = command.with(json!({"offset": "12"}));
        let mut bytes = Vec::new();
        command.write(&mut bytes).unwrap();
        assert_eq!(bytes[..4], ((bytes.len() - 4) as u32).to_be_bytes());
        let read = Command::read(&bytes[4..]).unwrap();
        assert_eq!((read.code, read.opaque, &read.body[..]), (30, 7, &b"body"[..]));
        assert_eq!(read.number("offset").unwrap(), 12);
        assert!(read.number("other").is_err());
        assert!(Command::read(&bytes[4..20]).is_err());
    }
}
