//! Every request of the table, cut off everywhere, and with every count a lie.

use super::{Target, VERDICT};
use crate::broker::Setup;
use crate::client::Client;
use crate::samples::{LengthAt, Sample, samples};

/// Connections that wait for their verdict at the same time.
const TOGETHER: usize = 100;

/// The frame's length set right.
fn adjusted(mut bytes: Vec<u8>) -> Vec<u8> {
    let len = bytes.len() as i32 - 4;
    bytes[..4].copy_from_slice(&len.to_be_bytes());
    bytes
}

/// Sends each on a connection of its own; all must be closed in time.
fn assert_all_close(target: &Target, cases: &[(String, Vec<u8>)], half_close: bool) {
    for cases in cases.chunks(TOGETHER) {
        let clients: Vec<Client> = cases
            .iter()
            .map(|(_, bytes)| {
                let client = target.send(bytes);
                if half_close {
                    // The broker may have closed already.
                    let _ = client.close_sending();
                }
                client
            })
            .collect();
        for (mut client, (name, bytes)) in clients.into_iter().zip(cases) {
            assert!(client.is_closed_within(VERDICT), "{name} stays open: {bytes:x?}");
        }
    }
}

fn name(sample: &Sample, what: &str, at: usize) -> String {
    format!("{} v{} {what} {at}", sample.api.name, sample.version)
}

#[test]
fn every_request_of_the_table_is_answered() {
    let mut target = Target::new(Setup::new("whole"));
    for sample in samples(&target.topic) {
        let mut client = target.client();
        client.send_bytes(&sample.bytes).expect("sent");
        let answer = client.receive_bytes();
        let answer =
            answer.unwrap_or_else(|e| panic!("{} v{}: {e}", sample.api.name, sample.version));
        assert_eq!(answer[..4], [0, 0, 0, 77], "{} v{}", sample.api.name, sample.version);
    }
    target.assert_serves();
}

#[test]
fn every_truncation_closes_the_connection() {
    let mut target = Target::new(Setup::new("truncations"));
    let mut cases = Vec::new();
    for sample in samples(&target.topic) {
        for len in 5..sample.bytes.len() {
            cases.push((name(&sample, "cut at", len), adjusted(sample.bytes[..len].to_vec())));
        }
    }
    println!("{} truncations", cases.len());
    assert!(cases.len() > 3000);
    let grown = target.growth_kib(|target| assert_all_close(target, &cases, false));
    assert!(grown < 8 << 10, "{grown} KiB more");
}

/// The length still says that more will come, but the client has gone.
#[test]
fn a_frame_that_never_ends_goes_with_its_client() {
    let mut target = Target::new(Setup::new("unended"));
    let mut cases = Vec::new();
    for sample in samples(&target.topic) {
        let step = if sample.version == sample.api.max { 1 } else { 7 };
        for len in (1..sample.bytes.len()).step_by(step) {
            cases.push((name(&sample, "ends at", len), sample.bytes[..len].to_vec()));
        }
    }
    println!("{} frames without an end", cases.len());
    let grown = target.growth_kib(|target| assert_all_close(target, &cases, true));
    assert!(grown < 8 << 10, "{grown} KiB more");
}

/// The length at this place replaced by a larger one of the same form.
fn with_length(bytes: &[u8], at: LengthAt, length: u32) -> Vec<u8> {
    let mut out = bytes[..at.position].to_vec();
    if at.compact {
        let mut rest = length;
        while rest > 0x7f {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    } else {
        out.extend(&length.to_be_bytes()[4 - at.size..]);
    }
    out.extend(&bytes[at.position + at.size..]);
    adjusted(out)
}

#[test]
fn counts_and_lengths_that_lie_close_the_connection() {
    let mut target = Target::new(Setup::new("lies"));
    let mut cases = Vec::new();
    for sample in samples(&target.topic) {
        for &at in &sample.lengths {
            let lies = match at.size {
                2 if !at.compact => [0x7fff, 0x8000],
                _ => [0x7fff_ffff, 0x0100_0000],
            };
            for lie in lies {
                let bytes = with_length(&sample.bytes, at, lie);
                cases.push((name(&sample, "lies at", at.position), bytes));
            }
        }
    }
    println!("{} lies", cases.len());
    assert!(cases.len() > 300);
    let grown = target.growth_kib(|target| assert_all_close(target, &cases, false));
    assert!(grown < 8 << 10, "{grown} KiB more");
}
