//! Good requests changed at random: answered or closed, and the broker stays sound.

use std::fs;
use std::time::Instant;

use ringmain::base::prng::Prng;
use ringmain::wire::messages::api_versions::{ApiVersions, ApiVersionsRequest};

use super::{Target, VERDICT, is_end};
use crate::broker::Setup;
use crate::client::request;
use crate::samples::{Sample, samples};

fn mutate(sample: &Sample, prng: &mut Prng) -> Vec<u8> {
    let mut bytes = sample.bytes[4..].to_vec();
    for _ in 0..1 + prng.below(3) {
        // Key and version stay: others are refused before anything is looked at.
        let at = 8 + prng.below(bytes.len() as u64 - 8) as usize;
        match prng.below(8) {
            0 => bytes.truncate(at.max(10)),
            1 => bytes.insert(at, prng.next_u64() as u8),
            2 => {
                let part: Vec<u8> = bytes[at..].iter().copied().take(16).collect();
                bytes.splice(at..at, part);
            }
            3 | 4 => bytes[at] ^= 1 << prng.below(8),
            5 => bytes[at] = [0, 1, 2, 0x7f, 0x80, 0xff][prng.below(6) as usize],
            _ => bytes[at] = prng.next_u64() as u8,
        }
    }
    let mut frame = (bytes.len() as i32).to_be_bytes().to_vec();
    frame.extend(bytes);
    frame
}

#[test]
fn changed_requests_are_answered_or_closed() {
    let rounds = crate::number("RINGMAIN_MUTATIONS").unwrap_or(4000);
    let mut target = Target::new(Setup::new("mutations"));
    let mut prng = Prng::new(crate::seed());
    let samples = samples(&target.topic);
    let (mut answered, mut closed) = (0, 0);
    let grown = target.growth_kib(|target| {
        for round in 0..rounds {
            let sample = &samples[prng.below(samples.len() as u64) as usize];
            let bytes = mutate(sample, &mut prng);
            let probe = ApiVersionsRequest::default();
            // A produce request without acknowledgement has no answer: ask something behind it.
            let probe = request::<ApiVersions>(0, 5, &probe);
            let began = Instant::now();
            let mut client = target.send(&[&bytes[..], &probe].concat());
            // It may have become a fetch that waits.
            let patience = if sample.api.name == "Fetch" { VERDICT / 10 } else { 3 * VERDICT };
            client.stream().set_read_timeout(Some(patience)).expect("a timeout");
            loop {
                match client.receive_bytes() {
                    Ok(answer) if answer[..4] == [0, 0, 0, 5] => {
                        answered += 1;
                        break;
                    }
                    Ok(_) => {}
                    Err(error)
                        if is_end(&error) || error.kind() == std::io::ErrorKind::UnexpectedEof =>
                    {
                        closed += 1;
                        break;
                    }
                    Err(_) if sample.api.name == "Fetch" => break,
                    Err(error) => panic!(
                        "round {round}: {} v{}: {error} after {:?}: {bytes:x?}",
                        sample.api.name,
                        sample.version,
                        began.elapsed()
                    ),
                }
            }
        }
    });
    println!("{rounds} changed requests: {answered} answered, {closed} closed, {grown} KiB more");
    assert!(answered > rounds / 10 && closed > rounds / 10, "{answered} {closed}");
    // Changed names are names of new topics, to which records are written.
    let partitions = fs::read_dir(target.setup.data()).expect("a directory").count() as u64;
    println!("{partitions} partitions in the end");
    assert!(grown < (16 << 10) + 128 * partitions, "{grown} KiB more");
}
