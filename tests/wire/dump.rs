//! What we write, as lines for Kafka's own Java code to read: `scripts/compare-wire` gives them to
//! `java/CompareWire.java`. Does nothing unless RINGMAIN_WIRE_DUMP names a file.
//!
//! A line is tab-separated: what it is, API key, "request" or "response", version, bytes, and what
//! they are expected to say.

use std::fmt::Write;

use ringmain::base::prng::Prng;
use ringmain::model::ErrorCode;
use ringmain::model::ids::TopicId;
use ringmain::wire::compression::Codec;
use ringmain::wire::messages::*;
use ringmain::wire::record::{BatchBuilder, BatchFields, Header};
use ringmain::wire::{Message, Reader, Writer};

use crate::subject::{member_data, record_data, subjects, with_every_api};
use crate::tree::{Encoder, Maker, Style, Tree};

/// Messages per API, direction and version.
const ROUNDS: u64 = 30;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn json(tree: &Tree) -> String {
    let list = |items: Vec<String>| items.join(",");
    match tree {
        Tree::Bool(value) => value.to_string(),
        Tree::Number(number) => number.to_string(),
        Tree::Uuid(bytes) => format!("\"{}\"", TopicId(*bytes)),
        Tree::Text(text) => {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            format!("\"{}\"", units.collect::<String>())
        }
        Tree::Bytes(bytes) => format!("{{\"hex\":\"{}\"}}", hex(bytes)),
        Tree::Null => "null".into(),
        Tree::List(items) => format!("[{}]", list(items.iter().map(json).collect())),
        Tree::Struct(fields) => {
            let field = |(name, value): &(&str, Tree)| format!("\"{name}\":{}", json(value));
            format!("{{{}}}", list(fields.iter().map(field).collect()))
        }
    }
}

fn dump_messages(out: &mut String, prng: &mut Prng) {
    let keys = APIS.iter().flat_map(|api| [(api.key, "request"), (api.key, "response")]);
    for (subject, (key, direction)) in subjects().into_iter().zip(keys) {
        for version in subject.versions.first..=subject.versions.last {
            for round in 0..crate::rounds(ROUNDS) {
                let style = if round == 0 { Style::Least } else { Style::Random };
                let tree = Maker { prng, version, style }.message(subject.shape);
                let mut line = |what: &str, bytes: &[u8], expected: String| {
                    let bytes = hex(bytes);
                    writeln!(out, "{what}\t{key}\t{direction}\t{version}\t{bytes}\t{expected}")
                        .expect("a string takes it");
                };
                let mut encoder = Encoder::new(version, subject.flexible);
                encoder.fields(subject.shape, &tree);
                line("message", &encoder.bytes, json(&tree));
                for null_at in 0..encoder.lengths.len().min(if round < 3 { 50 } else { 0 }) {
                    let mut encoder = Encoder::new(version, subject.flexible);
                    encoder.null_at = Some(null_at);
                    encoder.fields(subject.shape, &tree);
                    let read = (subject.reads)(&encoder.bytes, version);
                    line("null", &encoder.bytes, read.to_string());
                }
            }
        }
    }
}

/// The Java class of a versioned struct; keys, which have their type for a version, have only one.
fn java_class(name: &str) -> String {
    match name {
        "Subscription" | "Assignment" => format!("common.message.ConsumerProtocol{name}"),
        _ if name.starts_with("Transaction") => format!("coordinator.transaction.generated.{name}"),
        _ => format!("coordinator.group.generated.{name}"),
    }
}

fn dump_data(out: &mut String, prng: &mut Prng) {
    for subject in member_data().into_iter().chain(record_data()) {
        for version in subject.versions.first..=subject.versions.last {
            let java_version = if subject.name.ends_with("Key") { 0 } else { version };
            for round in 0..crate::rounds(ROUNDS) {
                let style = if round == 0 { Style::Least } else { Style::Random };
                let tree = Maker { prng, version, style }.message(subject.shape);
                let mut encoder = Encoder::new(version, subject.flexible);
                encoder.fields(subject.shape, &tree);
                let (class, bytes) = (java_class(subject.name), hex(&encoder.bytes));
                writeln!(out, "data\t0\t{class}\t{java_version}\t{bytes}\t{}", json(&tree))
                    .expect("a string takes it");
            }
        }
    }
}

/// Requests, and our refusal of each.
fn dump_refusals<A: for<'a> Refuse<'a>>(out: &mut String, prng: &mut Prng) {
    for version in A::MIN..=A::MAX {
        for _ in 0..5 {
            let mut maker = Maker { prng, version, style: Style::Random };
            let tree = maker.message(A::Request::SHAPE);
            let mut encoder = Encoder::new(version, A::FLEXIBLE);
            encoder.fields(A::Request::SHAPE, &tree);
            let request = A::Request::decode(&mut Reader::new(&encoder.bytes), version);
            let request = request.expect("a request");
            let mut bytes = Vec::new();
            let refusal = A::refusal(&request, version, ErrorCode::NOT_CONTROLLER);
            refusal.encode(&mut Writer::new(&mut bytes), version);
            let (request, refusal) = (hex(&encoder.bytes), hex(&bytes));
            writeln!(out, "refusal\t{}\trequest\t{version}\t{request}\t{refusal}", A::KEY)
                .expect("a string takes it");
        }
    }
}

fn dump_batches(out: &mut String) {
    for codec in Codec::ALL {
        let fields = BatchFields { codec, base_offset: 7, ..BatchFields::default() };
        let mut builder = BatchBuilder::new(fields);
        let value = b"some text, and some text".repeat(5_000);
        let headers = [Header { key: b"h", value: Some(b"v") }, Header { key: b"n", value: None }];
        builder.push(1_700_000_000_000, Some(b"key"), Some(&value), &headers);
        builder.push(1_600_000_000_000, None, None, &[]);
        let batch = hex(&builder.finish());
        let expected = format!(
            "7/1700000000000/{}/{}/2;8/1600000000000/null/null/0;",
            hex(b"key"),
            hex(&value)
        );
        writeln!(out, "batch\t0\t{}\t2\t{batch}\t{expected}", codec.name())
            .expect("a string takes it");
    }
}

#[test]
fn dump_for_java() {
    let Some(path) = std::env::var_os("RINGMAIN_WIRE_DUMP") else { return };
    let mut prng = Prng::new(crate::seed());
    let mut out = String::new();
    dump_messages(&mut out, &mut prng);
    dump_data(&mut out, &mut prng);
    macro_rules! refusals {
        ($($file:ident::$api:ident: $_request:ident, $_response:ident;)*) => {
            $(dump_refusals::<$file::$api>(&mut out, &mut prng);)*
        };
    }
    with_every_api!(refusals);
    dump_batches(&mut out);
    std::fs::write(path, out).expect("the file can be written");
}
