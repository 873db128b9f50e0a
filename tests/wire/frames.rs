//! Frames and headers, external records, and refusals: what every API has in common.

use kafka_protocol::messages as oracle;
use kafka_protocol::protocol::{Decodable, Encodable};
use ringmain::base::prng::Prng;
use ringmain::model::ErrorCode;
use ringmain::wire::frame::{self, RequestHeader, RequestKind};
use ringmain::wire::messages::api_versions::{ApiVersions, ApiVersionsRequest};
use ringmain::wire::messages::fetch::*;
use ringmain::wire::messages::*;
use ringmain::wire::value::Records;
use ringmain::wire::{Api, Message, Reader, What, Writer};

use crate::debug_text::{self, Node};
use crate::subject::with_every_api;
use crate::tree::{Encoder, Maker, Style};

#[test]
fn request_headers_are_the_oracles() {
    let versions =
        APIS.iter().flat_map(|api| (api.min..=api.max).map(move |version| (api, version)));
    for (api, version) in versions {
        let key = oracle::ApiKey::try_from(api.key).expect("a key that the oracle knows");
        for client_id in [None, Some(""), Some("a client")] {
            let header = RequestHeader { api_key: api.key, version, correlation_id: -5, client_id };
            let mut bytes = Vec::new();
            header.encode(&mut Writer::new(&mut bytes));
            let kind = RequestKind { api_key: api.key, version, correlation_id: -5 };
            assert_eq!(RequestKind::peek(&bytes[..8]), Ok(kind));
            assert_eq!(kind.header_version(), key.request_header_version(version));
            let mut reader = Reader::new(&bytes);
            assert_eq!(RequestHeader::decode(&mut reader), Ok(header));
            assert_eq!(reader.remaining(), 0);

            let mut rest = bytes::Bytes::copy_from_slice(&bytes);
            let theirs = oracle::RequestHeader::decode(&mut rest, kind.header_version()).unwrap();
            assert_eq!(theirs.request_api_key, api.key);
            assert_eq!(theirs.request_api_version, version);
            assert_eq!(theirs.correlation_id, -5);
            assert_eq!(theirs.client_id.as_deref(), client_id);
            let mut again = Vec::new();
            theirs.encode(&mut again, kind.header_version()).unwrap();
            assert_eq!(again, bytes);
            for len in 0..bytes.len() {
                assert!(RequestHeader::decode(&mut Reader::new(&bytes[..len])).is_err());
            }
        }
    }
}

#[test]
fn a_header_without_client_id_or_of_an_unknown_api_is_read() {
    let check = |bytes: &[u8], client_id, left| {
        let mut reader = Reader::new(bytes);
        let header = RequestHeader::decode(&mut reader).unwrap();
        assert_eq!((header.client_id, reader.remaining()), (client_id, left));
    };
    check(&[0, 7, 0, 0, 0, 0, 0, 1], None, 0);
    check(&[0, 7, 0, 1, 0, 0, 0, 1, 0, 1, b'x'], Some("x"), 0);
    check(&[0x7f, 0, 0, 9, 0, 0, 0, 1, 0, 1, b'x', 0], Some("x"), 1);
    // A version of ApiVersions that nobody has yet is flexible all the same.
    check(&[0, 18, 0, 99, 0, 0, 0, 1, 0, 1, b'x', 1, 7, 2, 0, 0], Some("x"), 0);
}

#[test]
fn frame_lengths_are_bounded() {
    let check = |prefix: u32, max, expected| {
        let got = frame::length(prefix.to_be_bytes(), max).map_err(|error| error.what);
        assert_eq!(got, expected);
    };
    check(1, 100, Ok(1));
    check(100, 100, Ok(100));
    check(101, 100, Err(What::FrameLength));
    check(0, 100, Err(What::FrameLength));
    check(0xffff_ffff, 100, Err(What::FrameLength));
    check(0x8000_0000, usize::MAX, Err(What::FrameLength));
    check(0x7fff_ffff, 100 << 20, Err(What::FrameLength));
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let refusal =
        ApiVersions::refusal(&ApiVersionsRequest::default(), 0, ErrorCode::UNSUPPORTED_VERSION);
    let mut bytes = Vec::new();
    frame::write_response::<ApiVersions>(&mut Writer::new(&mut bytes), 0, 9, &refusal);
    let expected = b"\0\0\0\x10\0\0\0\x09\0\x23\0\0\0\x01\0\x12\0\0\0\x05";
    assert_eq!(bytes, expected);
}

#[test]
fn external_records_leave_gaps_that_the_frame_counts() {
    let record_sets: [&[u8]; 4] = [b"first", b"", &[7; 300], b"last"];
    let answer = |records: &dyn Fn(usize) -> Records<'static>| {
        let partition = |index: usize| PartitionData {
            partition_index: index as i32,
            records: records(index),
            aborted_transactions: Some(Vec::new()),
            ..Default::default()
        };
        let topic = |range: std::ops::Range<usize>| FetchableTopicResponse {
            partitions: range.map(partition).collect(),
            ..Default::default()
        };
        FetchResponse { responses: vec![topic(0..3), topic(3..5)], ..Default::default() }
    };
    let at_hand = answer(&|index| {
        record_sets
            .get(index)
            .map_or(Records::Null, |records| Records::Bytes(Vec::leak(records.to_vec())))
    });
    let external = answer(&|index| {
        record_sets
            .get(index)
            .map_or(Records::Null, |records| Records::External(records.len() as u32))
    });
    for version in Fetch::MIN..=Fetch::MAX {
        // Both in front and behind another frame.
        let mut expected = b"before".to_vec();
        frame::write_response::<Fetch>(&mut Writer::new(&mut expected), version, 3, &at_hand);
        let mut bytes = b"before".to_vec();
        let mut writer = Writer::new(&mut bytes);
        frame::write_response::<Fetch>(&mut writer, version, 3, &external);
        let gaps = std::mem::take(&mut writer.gaps);
        assert_eq!(writer.external_bytes(), 309);
        assert_eq!(gaps.len(), record_sets.len());
        let mut spliced: Vec<u8> = Vec::new();
        let mut from = 0;
        for (gap, records) in gaps.into_iter().zip(record_sets) {
            spliced.extend(&bytes[from..gap]);
            spliced.extend(records);
            from = gap;
        }
        spliced.extend(&bytes[from..]);
        assert_eq!(spliced, expected);
    }
}

/// Response headers against the oracle's, and that an answer comes back out of its frame.
fn check_response_frame<A: Api>() {
    let key = oracle::ApiKey::try_from(A::KEY).expect("a key that the oracle knows");
    for version in A::MIN..=A::MAX {
        let mut bytes = Vec::new();
        frame::write_response::<A>(
            &mut Writer::new(&mut bytes),
            version,
            0x0102_0304,
            &A::Response::default(),
        );
        let len = frame::length(*bytes.first_chunk().unwrap(), 1 << 20).unwrap();
        assert_eq!(len, bytes.len() - frame::LENGTH_SIZE);
        let mut rest = bytes::Bytes::copy_from_slice(&bytes[frame::LENGTH_SIZE..]);
        let header =
            oracle::ResponseHeader::decode(&mut rest, key.response_header_version(version));
        assert_eq!(header.unwrap().correlation_id, 0x0102_0304);
        let mut reader = Reader::new(&bytes[frame::LENGTH_SIZE..]);
        assert_eq!(frame::read_response_header::<A>(&mut reader, version), Ok(0x0102_0304));
        assert_eq!(reader.remaining(), rest.len());
        // Null may have become empty: what was read is held against what was written by its bytes.
        let read = A::Response::decode(&mut reader, version).expect("a response");
        let mut again = Vec::new();
        frame::write_response::<A>(&mut Writer::new(&mut again), version, 0x0102_0304, &read);
        assert_eq!(again, bytes);
    }
}

fn is_error_code(field: &str) -> bool {
    matches!(field, "error_code" | "partition_error_code")
}

fn error_codes(node: &Node, found: &mut Vec<String>) {
    match node {
        Node::List(items) | Node::Tuple(_, items) => {
            items.iter().for_each(|item| error_codes(item, found));
        }
        Node::Struct(_, fields) => {
            for (name, value) in fields {
                match value {
                    Node::Tuple(_, code) if is_error_code(name) => {
                        let Node::Token(number) = &code[0] else { panic!("{code:?}") };
                        found.push(number.clone());
                    }
                    value => error_codes(value, found),
                }
            }
        }
        _ => {}
    }
}

/// A refusal can be written in every version, and shows the error wherever it shows any.
fn check_refusal<A: for<'a> Refuse<'a>>(prng: &mut Prng) {
    let error = ErrorCode::NOT_CONTROLLER;
    for version in A::MIN..=A::MAX {
        let mut shown = 0;
        for _ in 0..30 {
            let mut maker = Maker { prng, version, style: Style::Random };
            let tree = maker.message(A::Request::SHAPE);
            let mut encoder = Encoder::new(version, A::FLEXIBLE);
            encoder.fields(A::Request::SHAPE, &tree);
            let request = A::Request::decode(&mut Reader::new(&encoder.bytes), version).unwrap();
            let refusal = A::refusal(&request, version, error);
            let mut bytes = Vec::new();
            refusal.encode(&mut Writer::new(&mut bytes), version);
            let read = A::Response::decode(&mut Reader::new(&bytes), version).unwrap();
            let mut found = Vec::new();
            error_codes(&debug_text::parse(&format!("{read:?}")), &mut found);
            let refused = found.iter().filter(|code| **code == error.0.to_string()).count();
            // A top-level field that the version lacks stays at its default.
            let top_level = A::Response::SHAPE.fields.iter().find(|f| f.name == "error_code");
            let lacking = top_level.is_some_and(|field| !field.versions.hold(version));
            assert_eq!(refused, found.len() - usize::from(lacking), "{} {version}", A::NAME);
            shown += refused;
        }
        let nowhere = A::NAME == "DescribeLogDirs" && version < 3;
        assert_eq!(shown == 0, nowhere, "{} version {version}", A::NAME);
    }
}

#[test]
fn every_api_answers_and_refuses() {
    let mut prng = Prng::new(crate::seed());
    macro_rules! check {
        ($($file:ident::$api:ident: $_request:ident, $_response:ident;)*) => {
            $(check_response_frame::<$file::$api>();)*
            $(check_refusal::<$file::$api>(&mut prng);)*
        };
    }
    with_every_api!(check);
}
