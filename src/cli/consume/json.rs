//! A record as one line of JSON, for scripts.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::base64;
use crate::client::consumer::ConsumedRecord;
use crate::wire::record::Headers;

/// Keys: topic, partition, offset, timestamp (milliseconds since 1970), timestamp_type, key, value,
/// headers (a list of key and value). What is no UTF-8 stands under `key_base64`, `value_base64`.
pub struct Line<'a> {
    pub topic: &'a str,
    pub record: &'a ConsumedRecord<'a>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.record;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("topic", self.topic)?;
        map.serialize_entry("partition", &record.partition)?;
        map.serialize_entry("offset", &record.offset)?;
        map.serialize_entry("timestamp", &record.timestamp)?;
        let kind = if record.is_append_time { "append" } else { "create" };
        map.serialize_entry("timestamp_type", kind)?;
        bytes(&mut map, ["key", "key_base64"], record.key)?;
        bytes(&mut map, ["value", "value_base64"], record.value)?;
        map.serialize_entry("headers", &HeaderList(&record.headers))?;
        map.end()
    }
}

fn bytes<M: SerializeMap>(
    map: &mut M,
    [text_key, base64_key]: [&str; 2],
    bytes: Option<&[u8]>,
) -> Result<(), M::Error> {
    match bytes.map(std::str::from_utf8) {
        None => map.serialize_entry(text_key, &()),
        Some(Ok(text)) => map.serialize_entry(text_key, text),
        Some(Err(_)) => map.serialize_entry(base64_key, &base64::encode(bytes.unwrap_or_default())),
    }
}

struct HeaderList<'a>(&'a Headers<'a>);

impl Serialize for HeaderList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0.iter().map(|header| HeaderLine { key: header.key, value: header.value }),
        )
    }
}

struct HeaderLine<'a> {
    key: &'a [u8],
    value: Option<&'a [u8]>,
}

impl Serialize for HeaderLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        bytes(&mut map, ["key", "key_base64"], Some(self.key))?;
        bytes(&mut map, ["value", "value_base64"], self.value)?;
        map.end()
    }
}
