//! Bytes that no honest client sends: cut off, lying about their lengths, or changed at random. Each
//! is an error or another message, never a panic, and never a reservation that the bytes do not cover.

use ringmain::base::prng::Prng;
use ringmain::wire::messages::produce::{Produce, ProduceHead, ProduceParts, ProduceRequest};
use ringmain::wire::{Api, Message, Reader};

use crate::allocation::largest_during;
use crate::subject::{Subject, everything, subjects};
use crate::tree::{Encoder, LengthAt, Maker, Style};

/// Largest block that reading `len` bytes may ask for. An element takes at most some 20 times its
/// smallest form on the wire (an empty compact string: 1 byte, and 16 in memory; a topic of a fetch
/// request: 3, and 56), and a vector that grows doubles.
fn allowance(len: usize) -> usize {
    1024 + 40 * len
}

fn read(subject: &Subject, bytes: &[u8], version: i16) -> bool {
    let (result, largest) = largest_during(|| (subject.reads)(bytes, version));
    assert!(
        largest <= allowance(bytes.len()),
        "{} version {version}: {largest} bytes for a message of {}: {bytes:x?}",
        subject.name,
        bytes.len(),
    );
    result
}

fn sample(subject: &Subject, version: i16, prng: &mut Prng, style: Style) -> Encoder {
    let tree = Maker { prng, version, style }.message(subject.shape);
    let mut encoder = Encoder::new(version, subject.flexible);
    encoder.fields(subject.shape, &tree);
    encoder
}

#[test]
fn every_truncation_is_an_error() {
    let mut prng = Prng::new(crate::seed());
    for subject in everything() {
        for version in subject.versions.first..=subject.versions.last {
            for style in [Style::Least, Style::Random, Style::Random] {
                let bytes = sample(&subject, version, &mut prng, style).bytes;
                assert!(read(&subject, &bytes, version));
                for len in 0..bytes.len() {
                    let name = subject.name;
                    assert!(!read(&subject, &bytes[..len], version), "{name} {version}: {len}");
                }
            }
        }
    }
}

/// The length replaced by another of the same form.
fn with_length(bytes: &[u8], at: LengthAt, length: u32) -> Vec<u8> {
    let mut out = bytes[..at.position].to_vec();
    if at.compact {
        let mut rest = length;
        while rest > 0x7f {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    } else {
        out.extend(&length.to_be_bytes()[4 - at.size..]);
    }
    out.extend(&bytes[at.position + at.size..]);
    out
}

#[test]
fn lengths_that_lie_are_errors() {
    let mut prng = Prng::new(crate::seed());
    for subject in everything() {
        for version in subject.versions.first..=subject.versions.last {
            for style in [Style::Least, Style::Random] {
                let good = sample(&subject, version, &mut prng, style);
                for &at in &good.lengths {
                    // The largest, and then the negative ones but for null.
                    let lies = match (at.compact, at.size) {
                        (true, _) => [0x7fff_ffff, 0x8000_0000, 0xffff_ffff],
                        (false, 2) => [0x7fff, 0x8000, 0xfffe],
                        (false, _) => [0x7fff_ffff, 0x8000_0000, 0xffff_fffe],
                    };
                    for length in lies {
                        let bad = with_length(&good.bytes, at, length);
                        let name = subject.name;
                        assert!(!read(&subject, &bad, version), "{name} {version} {at:?}");
                    }
                }
            }
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, lengths: &[LengthAt], prng: &mut Prng) {
    for _ in 0..1 + prng.below(4) {
        let at = prng.below(bytes.len() as u64 + 1) as usize;
        match prng.below(8) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, prng.next_u64() as u8),
            2 => {
                let part = bytes[at..].iter().copied().take(16).collect::<Vec<_>>();
                bytes.splice(at..at, part);
            }
            3 if !lengths.is_empty() => {
                let at = lengths[prng.below(lengths.len() as u64) as usize].position;
                if at < bytes.len() {
                    bytes[at] = [0, 1, 2, 0x7f, 0x80, 0xff][prng.below(6) as usize];
                }
            }
            4 if at < bytes.len() => bytes[at] ^= 1 << prng.below(8),
            _ if at < bytes.len() => bytes[at] = prng.next_u64() as u8,
            _ => bytes.push(prng.next_u64() as u8),
        }
    }
}

/// Samples per API, each changed at random this many times.
const MUTATIONS: u64 = 50;

#[test]
fn changed_messages_are_errors_or_messages() {
    let mut prng = Prng::new(crate::seed());
    let mut still_read = 0u64;
    for subject in everything() {
        for round in 0..crate::rounds(10_000) / MUTATIONS {
            let versions = (subject.versions.last - subject.versions.first + 1) as u64;
            let version = subject.versions.first + (round % versions) as i16;
            let good = sample(&subject, version, &mut prng, Style::Random);
            for _ in 0..MUTATIONS {
                let mut bad = good.bytes.clone();
                mutate(&mut bad, &good.lengths, &mut prng);
                if !read(&subject, &bad, version) {
                    continue;
                }
                // What could be read can be written, and is then read as the same.
                still_read += 1;
                let seen = (subject.ours)(&bad, version).expect("it was read before");
                let again = (subject.ours)(&seen.bytes, version).expect("we wrote it");
                assert_eq!((again.text, again.bytes), (seen.text, seen.bytes), "{bad:x?}");
            }
        }
    }
    println!("{still_read} changed messages could still be read");
    assert!(still_read > 0);
}

/// The two quick ways through a produce request against the slow one.
fn check_produce(body: &[u8], version: i16) {
    let whole = ProduceRequest::decode(&mut Reader::new(body), version);
    let parts = ProduceParts::new(body, version);
    let sound = parts.clone().is_ok_and(|mut parts| parts.all(|part| part.is_ok()));
    assert_eq!(sound, whole.is_ok(), "{body:x?}");
    let head = ProduceHead::peek(body, body.len(), version).ok().flatten();
    let Ok(whole) = whole else { return };
    let parts = parts.expect("sound");
    assert_eq!(parts.transactional_id, whole.transactional_id);
    assert_eq!((parts.acks, parts.timeout_ms), (whole.acks, whole.timeout_ms));
    let parts: Vec<_> = parts.map(|part| part.expect("sound")).collect();
    let topics = whole.topic_data.iter();
    let expected: Vec<_> = topics
        .flat_map(|topic| topic.partition_data.iter().map(move |data| (topic, data)))
        .collect();
    assert_eq!(parts.len(), expected.len());
    for (part, (topic, data)) in parts.iter().zip(expected) {
        assert_eq!((part.topic, part.topic_id), (topic.name, topic.topic_id));
        assert_eq!(part.partition, data.index);
        assert_eq!(part.records.clone().map(|range| &body[range]), data.records);
    }
    if let Some(head) = head {
        assert_eq!(parts.len(), 1);
        assert_eq!((head.topic, head.topic_id), (parts[0].topic, parts[0].topic_id));
        assert_eq!(
            (head.partition, Some(head.records)),
            (parts[0].partition, parts[0].records.clone())
        );
        assert_eq!((head.acks, head.timeout_ms), (whole.acks, whole.timeout_ms));
    }
}

#[test]
fn the_quick_ways_through_produce_agree_with_the_slow_one() {
    let mut prng = Prng::new(crate::seed());
    let subject = subjects()[0];
    assert_eq!(subject.name, "ProduceRequest");
    for _ in 0..crate::rounds(10_000) / MUTATIONS {
        for version in Produce::MIN..=Produce::MAX {
            let good = sample(&subject, version, &mut prng, Style::Random);
            check_produce(&good.bytes, version);
            for _ in 0..MUTATIONS / 10 {
                let mut bad = good.bytes.clone();
                mutate(&mut bad, &good.lengths, &mut prng);
                let ((), largest) = largest_during(|| {
                    let parts = ProduceParts::new(&bad, version);
                    let _ = parts.map(|parts| parts.filter(|part| part.is_ok()).count());
                    let _ = ProduceHead::peek(&bad, bad.len() + 7, version);
                });
                assert_eq!(largest, 0, "the quick ways allocate");
                check_produce(&bad, version);
            }
        }
    }
}
