//! Lengths that are absurd, keys and versions that do not exist, and bytes of other protocols.

use ringmain::base::prng::Prng;
use ringmain::handlers::SERVED;
use ringmain::wire::APIS;
use ringmain::wire::messages::api_versions::ApiVersions;

use super::Target;
use crate::broker::Setup;
use crate::client::Client;

/// The broker's limit in these tests (`socket.request.max.bytes`).
const FRAME_MAX: i32 = 1 << 20;

fn target(name: &str) -> Target {
    Target::new(Setup::new(name).set("socket.request.max.bytes", &FRAME_MAX.to_string()))
}

#[test]
fn an_absurd_length_closes_the_connection() {
    let mut target = target("lengths");
    let grown = target.growth_kib(|target| {
        for length in [-1, 0, i32::MIN, i32::MAX, FRAME_MAX + 1] {
            for tail in [0, 1, 4096] {
                let mut bytes = length.to_be_bytes().to_vec();
                bytes.resize(4 + tail, 0x61);
                for _ in 0..20 {
                    target.assert_closes(&bytes);
                }
            }
        }
    });
    assert!(grown < 1024, "{grown} KiB more");
}

/// As long as it may be, and nothing behind it: neither memory nor addresses are set aside for it.
#[test]
fn an_announced_frame_reserves_nothing() {
    let mut target = target("announced");
    let sizes = target.broker.virtual_kib();
    let grown = target.growth_kib(|target| {
        let clients: Vec<Client> = (0..200)
            .map(|count| {
                let mut bytes = FRAME_MAX.to_be_bytes().to_vec();
                // Metadata, and Produce, whose records would be received in place.
                bytes.extend([0, 3 * (count % 2), 0, 9, 0, 0, 0, 1, 0, 1, b'x', 0]);
                target.send(&bytes)
            })
            .collect();
        let reserved = target.broker.virtual_kib().saturating_sub(sizes);
        assert!(reserved < 100 << 10, "{reserved} KiB of addresses for 200 unsent MiB");
        drop(clients);
    });
    assert!(grown < 4096, "{grown} KiB more");
}

fn frame(key: i16, version: i16, rest: &[u8]) -> Vec<u8> {
    let len = 8 + rest.len() as i32;
    let mut bytes = len.to_be_bytes().to_vec();
    bytes.extend(key.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend(99i32.to_be_bytes());
    bytes.extend(rest);
    bytes
}

#[test]
fn unknown_keys_and_versions_close_the_connection() {
    let mut target = target("keys");
    let rest = [0, 1, b'x', 0, 0, 0, 0];
    for key in [-1, 4, 17, 99, 1000, i16::MIN, i16::MAX] {
        target.assert_closes(&frame(key, 0, &rest));
    }
    for api in APIS.iter().filter(|api| api.name != "ApiVersions") {
        for version in [-1, api.min - 1, api.max + 1, i16::MIN, i16::MAX] {
            target.assert_closes(&frame(api.key, version, &rest));
        }
    }
    // Messages that are known, of APIs that nobody answers.
    for api in APIS.iter().filter(|api| SERVED.iter().all(|served| served.key != api.key)) {
        for version in api.min..=api.max {
            target.assert_closes(&frame(api.key, version, &rest));
        }
    }
    // A client of a later day must learn what we speak.
    for version in [-1, 6, 99, i16::MAX] {
        let mut client = target.send(&frame(18, version, &rest));
        let answer = client.receive::<ApiVersions>(0).expect("an answer");
        assert_eq!(answer.body().error_code.0, 35, "version {version}");
    }
    target.assert_serves();
}

#[test]
fn other_protocols_and_noise_close_the_connection() {
    let mut target = target("noise");
    let mut prng = Prng::new(crate::seed());
    let grown = target.growth_kib(|target| {
        target.assert_closes(b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n");
        target.assert_closes(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hello");
        target.assert_closes(b"SSH-2.0-x\r\n");
        target.assert_closes(b"*1\r\n$4\r\nPING\r\n");
        for _ in 0..300 {
            let len = 1 + prng.below(2000) as usize;
            let mut bytes = vec![0; 4 + len];
            prng.fill(&mut bytes);
            bytes[..4].copy_from_slice(&(len as i32).to_be_bytes());
            // No key of ours by chance.
            bytes[4] |= 0x40;
            target.assert_closes(&bytes);
        }
    });
    assert!(grown < 1024, "{grown} KiB more");
}
