//! How a record is printed as text: `%v\n` and its relatives, as users of kcat know them.

use std::io::Write;
use std::str::FromStr;

use crate::cli::escape;
use crate::client::consumer::ConsumedRecord;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Key,
    KeyLen,
    Value,
    ValueLen,
    Headers,
    Timestamp,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars();
        while let Some(next) = chars.next() {
            if next != '%' {
                plain.push(next);
                continue;
            }
            let part = match chars.next() {
                Some('%') => {
                    plain.push('%');
                    continue;
                }
                Some('t') => Part::Topic,
                Some('p') => Part::Partition,
                Some('o') => Part::Offset,
                Some('k') => Part::Key,
                Some('K') => Part::KeyLen,
                Some('v' | 's') => Part::Value,
                Some('V' | 'S') => Part::ValueLen,
                Some('h') => Part::Headers,
                Some('T') => Part::Timestamp,
                Some(other) => {
                    return Err(format!(
                        "%{other} means nothing; these do: %v %k %h %t %p %o %T %V %K %%"
                    ));
                }
                None => return Err("it ends in a lone %; %% prints one".to_owned()),
            };
            if !plain.is_empty() {
                parts.push(Part::Text(escape::parse(&plain)?));
                plain.clear();
            }
            parts.push(part);
        }
        if !plain.is_empty() {
            parts.push(Part::Text(escape::parse(&plain)?));
        }
        Ok(Format(parts))
    }
}

impl Format {
    pub fn write(&self, topic: &str, record: &ConsumedRecord<'_>, null: &[u8], out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Topic => out.extend_from_slice(topic.as_bytes()),
                Part::Partition => number(out, record.partition.into()),
                Part::Offset => number(out, record.offset),
                Part::Key => out.extend_from_slice(record.key.unwrap_or(null)),
                Part::KeyLen => number(out, len(record.key)),
                Part::Value => out.extend_from_slice(record.value.unwrap_or(null)),
                Part::ValueLen => number(out, len(record.value)),
                Part::Timestamp => number(out, record.timestamp),
                Part::Headers => headers(record, out),
            }
        }
    }
}

fn number(out: &mut Vec<u8>, value: i64) {
    write!(out, "{value}").expect("writing to memory");
}

/// -1 for null.
fn len(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| bytes.len() as i64)
}

fn headers(record: &ConsumedRecord<'_>, out: &mut Vec<u8>) {
    for (place, header) in record.headers.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(header.key);
        if let Some(value) = header.value {
            out.push(b'=');
            out.extend_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::compression::Codec;
    use crate::wire::record::{BatchBuilder, BatchFields, Header, RecordReader};

    #[test]
    fn a_record_is_printed_as_asked() {
        let mut builder =
            BatchBuilder::new(BatchFields { codec: Codec::None, ..BatchFields::default() });
        let headers = [Header { key: b"a", value: Some(b"1") }, Header { key: b"b", value: None }];
        builder.push(5, None, Some(b"value"), &headers);
        let bytes = builder.finish();
        let payload = &bytes[crate::wire::batch::HEADER_SIZE..];
        let record = RecordReader::new(payload, 1).next().unwrap().unwrap();
        let record = ConsumedRecord {
            partition: 3,
            offset: 42,
            timestamp: 5,
            is_append_time: false,
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        let check = |format: &str, expect: Result<&str, &str>| {
            let got = format.parse::<Format>().map(|format| {
                let mut out = Vec::new();
                format.write("orders", &record, b"NULL", &mut out);
                String::from_utf8(out).unwrap()
            });
            let got = got.as_ref().map(String::as_str).map_err(|error| &error[..2]);
            assert_eq!(got, expect, "{format}");
        };
        check(r"%v\n", Ok("value\n"));
        check(r"%t-%p@%o %T\t%k(%K)=%s(%S)", Ok("orders-3@42 5\tNULL(-1)=value(5)"));
        check("%h 100%%", Ok("a=1,b 100%"));
        check("", Ok(""));
        check("%q", Err("%q"));
        check("x%", Err("it"));
        check(r"\q", Err(r"'\"));
    }
}
