//! What a line of the input says: headers, key, value. Pure.

use super::splitter::find;
use crate::client::producer::NewRecord;
use crate::wire::record::Header;

/// Between the headers of a line and the rest of it.
const HEADERS_END: u8 = b'\t';

/// How lines are read.
pub struct Shape {
    pub headers: bool,
    pub key_separator: Option<Vec<u8>>,
    pub null: Option<Vec<u8>>,
    /// Headers of every record.
    pub common: Vec<(String, String)>,
    pub partition: Option<i32>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Vec<Header<'a>>,
}

impl Parsed<'_> {
    pub fn record(&self, timestamp: i64, partition: Option<i32>) -> NewRecord<'_> {
        let Parsed { key, value, headers } = self;
        NewRecord { timestamp, key: *key, value: *value, headers, partition }
    }
}

impl Shape {
    /// Fails with what is wrong, to be put behind the line's number.
    pub fn parse<'a>(&'a self, line: &'a [u8]) -> Result<Parsed<'a>, String> {
        let mut rest = line;
        let common = self.common.iter();
        let common = common
            .map(|(key, value)| Header { key: key.as_bytes(), value: Some(value.as_bytes()) });
        let mut headers: Vec<Header<'_>> = common.collect();
        if self.headers {
            let end = find(rest, &[HEADERS_END])
                .ok_or("has no headers: with --headers it begins with k=v,k=v and a tab")?;
            let (text, behind) = (&rest[..end], &rest[end + 1..]);
            rest = behind;
            let written = text.split(|&byte| byte == b',').filter(|header| !header.is_empty());
            headers.extend(written.map(header));
        }
        let mut key = None;
        if let Some(separator) = self.key_separator.as_ref().filter(|text| !text.is_empty()) {
            let end = find(rest, separator).ok_or_else(|| {
                let shown = String::from_utf8_lossy(separator).escape_debug().to_string();
                format!("has no key: with --key-separator it is KEY{shown}VALUE")
            })?;
            key = self.unless_null(&rest[..end]);
            rest = &rest[end + separator.len()..];
        }
        Ok(Parsed { key, value: self.unless_null(rest), headers })
    }

    fn unless_null<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        (self.null.as_deref() != Some(bytes)).then_some(bytes)
    }
}

/// A header without '=' has a null value.
fn header(text: &[u8]) -> Header<'_> {
    match text.iter().position(|&byte| byte == b'=') {
        Some(at) => Header { key: &text[..at], value: Some(&text[at + 1..]) },
        None => Header { key: text, value: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_headers_key_and_value() {
        let shape = |headers, separator: Option<&str>, null: Option<&str>| Shape {
            headers,
            key_separator: separator.map(|text| text.as_bytes().to_vec()),
            null: null.map(|text| text.as_bytes().to_vec()),
            common: vec![("all".to_owned(), "1".to_owned())],
            partition: None,
        };
        let check = |shape: Shape, line: &str, expect: Option<&str>| {
            let got = shape.parse(line.as_bytes()).ok().map(|parsed| {
                let text = |bytes: Option<&[u8]>| match bytes {
                    Some(bytes) => format!("<{}>", String::from_utf8_lossy(bytes)),
                    None => "null".to_owned(),
                };
                let headers = parsed.headers.iter();
                let headers = headers
                    .map(|header| format!("{}={}", text(Some(header.key)), text(header.value)));
                let headers: Vec<_> = headers.collect();
                format!("{} {} {}", text(parsed.key), text(parsed.value), headers.join(","))
            });
            assert_eq!(got.as_deref(), expect, "{line}");
        };
        check(shape(false, None, None), "a:b", Some("null <a:b> <all>=<1>"));
        check(shape(false, Some(":"), None), "a:b:c", Some("<a> <b:c> <all>=<1>"));
        check(shape(false, Some(":"), None), "abc", None);
        check(shape(false, Some("::"), Some("")), "::", Some("null null <all>=<1>"));
        check(shape(false, None, Some("NULL")), "NULL", Some("null null <all>=<1>"));
        check(
            shape(true, Some(":"), None),
            "a=b=c,d\tk:v",
            Some("<k> <v> <all>=<1>,<a>=<b=c>,<d>=null"),
        );
        check(shape(true, None, None), "\tv", Some("null <v> <all>=<1>"));
        check(shape(true, None, None), "v", None);
    }
}
