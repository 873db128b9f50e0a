//! Connections to brokers that are old, rude, silent or gone, on a simulated network.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::rt::sim::Sim;
use crate::rt::{Listener, timeout};
use crate::wire::frame::RequestKind;
use crate::wire::messages::api_versions::ApiVersion;
use crate::wire::messages::metadata::{Metadata, MetadataRequest};

const PORT: u16 = 9092;

/// Runs `serve` for one connection on one host and `call` with its address on another.
fn between<S: Future<Output = ()> + 'static, T>(
    serve: impl FnOnce(Stream) -> S + 'static,
    call: impl AsyncFnOnce(Endpoint) -> T,
) -> T {
    let sim = Sim::new(11);
    let host = sim.add_host("broker");
    let address = sim.address(host);
    sim.run(async {
        let server = async move {
            let listener = Listener::bind(SocketAddr::new(address, PORT), false, 16);
            let stream = listener.expect("a port").accept().await.expect("a caller");
            serve(stream).await;
        };
        sim.spawn(host, server).detach();
        rt::sleep(Duration::from_millis(10)).await;
        call(Endpoint { host: address.to_string(), port: PORT }).await
    })
}

async fn send(stream: &Stream, bytes: &[u8]) {
    let slice = Slice::from(Buf::copy_of(bytes));
    let _ = stream.send(&mut VecDeque::from([Piece::Bytes(slice)])).await;
}

/// The next request.
async fn request(stream: &Stream, buf: &mut Buf) -> RequestKind {
    loop {
        if let Some(prefix) = buf.first_chunk() {
            let end = LENGTH_SIZE + frame::length(*prefix, 1 << 20).expect("a frame");
            if buf.len() >= end {
                let kind = RequestKind::peek(&buf[LENGTH_SIZE..]).expect("a header");
                buf.consume(end);
                return kind;
            }
        }
        let taken = mem::replace(buf, Buf::with_capacity(1));
        let (received, back) = stream.receive(taken).await;
        *buf = back;
        assert!(received.expect("a caller") > 0, "the caller has gone");
    }
}

fn answer<A: Api>(kind: RequestKind, version: i16, body: &A::Response<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let id = kind.correlation_id;
    frame::write_response::<A>(&mut Writer::new(&mut bytes), version, id, body);
    bytes
}

/// Answers ApiVersions as a broker that knows it up to `known`, and Metadata 0 to 4.
async fn greet(stream: &Stream, buf: &mut Buf, known: i16) {
    let line = |api_key, max_version| ApiVersion { api_key, min_version: 0, max_version };
    let mut response = ApiVersionsResponse {
        api_keys: vec![line(Metadata::KEY, 4), line(ApiVersions::KEY, known)],
        ..Default::default()
    };
    loop {
        let kind = request(stream, buf).await;
        assert_eq!(kind.api_key, ApiVersions::KEY);
        let spoken = kind.version <= known;
        response.error_code = if spoken { ErrorCode::NONE } else { ErrorCode::UNSUPPORTED_VERSION };
        let version = if spoken { kind.version } else { 0 };
        send(stream, &answer::<ApiVersions>(kind, version, &response)).await;
        if spoken {
            return;
        }
    }
}

#[test]
fn the_highest_common_versions_are_found() {
    for known in 0..=ApiVersions::MAX {
        let serve = move |stream| async move {
            greet(&stream, &mut Buf::with_capacity(4096), known).await;
        };
        between(serve, async |peer| {
            let connection = Connection::open(&peer, &Options::default()).await.expect("greeted");
            assert_eq!(connection.version::<Metadata>(), Ok(4));
            assert_eq!(connection.version_at_most::<Metadata>(2), Ok(2));
            assert_eq!(connection.version::<ApiVersions>(), Ok(known));
            let unknown = connection.version::<crate::wire::messages::fetch::Fetch>();
            assert!(matches!(unknown, Err(Error::Unsupported { api: "Fetch", .. })));
        });
    }
}

#[test]
fn answers_find_whoever_asked_in_order() {
    let serve = async |stream: Stream| {
        let mut buf = Buf::with_capacity(4096);
        greet(&stream, &mut buf, 5).await;
        let mut all = Vec::new();
        for controller_id in 0..100 {
            let kind = request(&stream, &mut buf).await;
            let response = crate::wire::messages::metadata::MetadataResponse {
                controller_id,
                // Some larger than what one receive takes, some small.
                cluster_id: Some(&"x".repeat(if controller_id % 7 == 0 { 30_000 } else { 3 })),
                ..Default::default()
            };
            all.extend(answer::<Metadata>(kind, kind.version, &response));
        }
        send(&stream, &all).await;
        rt::sleep(Duration::from_secs(1)).await;
    };
    between(serve, async |peer| {
        let connection = Connection::open(&peer, &Options::default()).await.expect("greeted");
        let request = MetadataRequest::default();
        let pending: Vec<_> = (0..100).map(|_| connection.send::<Metadata>(4, &request)).collect();
        assert_eq!(connection.in_flight(), 100);
        for (place, pending) in pending.into_iter().enumerate().rev() {
            let answer = pending.answer().await.expect("an answer");
            assert_eq!(answer.decode().expect("sound").controller_id, place as i32);
        }
    });
}

#[test]
fn a_peer_that_does_not_follow_the_protocol_is_told_so() {
    let check = |bytes: &'static [u8], expect: &str| {
        let serve = async move |stream: Stream| {
            send(&stream, bytes).await;
            rt::sleep(Duration::from_secs(1)).await;
        };
        let error = between(serve, async |peer| {
            let error = Connection::open(&peer, &Options::default()).await.err();
            error.expect("a refusal").to_string()
        });
        assert!(error.contains(expect), "{error}");
    };
    check(b"HTTP/1.1 400 Bad Request\r\n\r\n", "frames of impossible length");
    check(&[0xff; 16], "frames of impossible length");
    check(&[0, 0, 0, 0], "frames of impossible length");
    check(&[0, 0, 0, 6, 0, 0, 0, 9, 0, 0], "answered what was not asked");
    check(&[0, 0, 0, 2, 0, 0], "answered what was not asked");
    check(&[0, 0, 0, 6, 0, 0, 0, 0, 0, 0], "the message ends too early");
    check(&[0, 0, 0, 8, 0, 0, 0, 0], "at the first request (does it expect TLS?)");
}

#[test]
fn silence_ends_after_a_while_and_the_connection_with_it() {
    let serve = async |stream: Stream| {
        let mut buf = Buf::with_capacity(4096);
        greet(&stream, &mut buf, 5).await;
        rt::sleep(Duration::from_secs(1000)).await;
    };
    between(serve, async |peer| {
        let connection = Connection::open(&peer, &Options::default()).await.expect("greeted");
        let request = MetadataRequest::default();
        let waits = connection.send::<Metadata>(4, &request);
        let started = rt::now();
        let error = connection.call::<Metadata>(&request).await.err().expect("no answer");
        assert_eq!(rt::now().since(started).as_secs(), 30);
        let expect = format!("{peer} did not answer Metadata within 30 s");
        assert_eq!(error.to_string(), expect);
        assert_eq!(waits.answer().await.err(), Some(error.clone()));
        assert!(!connection.is_alive());
        let later = timeout(Duration::ZERO, connection.call::<Metadata>(&request)).await;
        assert_eq!(later.expect("at once").err(), Some(error));
    });
}
