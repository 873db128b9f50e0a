//! Every message in every version through both codecs, both ways.

use ringmain::base::prng::Prng;

use crate::debug_text::{self, Node};
use crate::subject::{Subject, everything, member_data, subjects};
use crate::tree::{Encoder, Maker, Style, Tree, compare};

/// Messages per API, direction and version.
const ROUNDS: u64 = 60;

/// What the oracle (kafka-protocol 0.18, Kafka 4.1) does not speak; `golden` and `golden_groups` cover
/// it instead.
const UNKNOWN_TO_ORACLE: [(&str, i16); 14] = [
    ("ListOffsetsRequest", 11),
    ("ListOffsetsResponse", 11),
    ("OffsetCommitRequest", 10),
    ("OffsetFetchRequest", 10),
    ("ApiVersionsRequest", 5),
    ("ApiVersionsResponse", 5),
    ("WriteTxnMarkersRequest", 2),
    ("WriteTxnMarkersResponse", 2),
    ("TxnOffsetCommitRequest", 6),
    ("TxnOffsetCommitResponse", 6),
    ("DescribeLogDirsRequest", 5),
    ("DescribeLogDirsResponse", 5),
    ("DeleteGroupsRequest", 3),
    ("DeleteGroupsResponse", 3),
];

/// What Kafka has renamed since: the message, the oracle's name of a field, and ours.
const RENAMED: [(&str, &str, &str); 1] =
    [("TxnOffsetCommitRequest", "generation_id", "generation_id_or_member_epoch")];

/// A message made from the subject's shape, read and written by us.
fn check_ours(subject: &Subject, version: i16, tree: &Tree, seed: u64) -> Result<Vec<u8>, String> {
    let mut encoder = Encoder::new(version, subject.flexible);
    encoder.fields(subject.shape, tree);
    let bytes = encoder.bytes;
    let seen = (subject.ours)(&bytes, version).map_err(|error| format!("ours: {error}"))?;
    compare(&debug_text::parse(&seen.text), tree).map_err(|error| format!("ours{error}"))?;
    if seen.left > 0 || seen.bytes != bytes {
        return Err("ours: written differently".into());
    }
    let mut strange = Encoder::new(version, subject.flexible);
    strange.strange_tags = Some(Prng::new(seed));
    strange.fields(subject.shape, tree);
    if (subject.ours)(&strange.bytes, version).as_ref() != Ok(&seen) {
        return Err("ours: unknown tags change the message".into());
    }
    Ok(bytes)
}

fn renamed(subject: &Subject, mut message: Node) -> Node {
    if let Node::Struct(_, fields) = &mut message {
        for (field, _) in fields {
            let now = RENAMED.iter().find(|(name, old, _)| *name == subject.name && old == field);
            if let Some((_, _, new)) = now {
                *field = (*new).to_owned();
            }
        }
    }
    message
}

/// One message through both sides: the same bytes, the same names, the same values.
pub fn check(subject: &Subject, version: i16, seed: u64, style: Style) -> Result<(), String> {
    let tree = Maker { prng: &mut Prng::new(seed), version, style }.message(subject.shape);
    let bytes = check_ours(subject, version, &tree, seed)?;
    if subject.oracle_versions.hold(version) {
        let seen = (subject.oracle)(&bytes, version).map_err(|error| format!("oracle: {error}"))?;
        compare(&renamed(subject, debug_text::parse(&seen.text)), &tree)
            .map_err(|error| format!("oracle{error}"))?;
        if seen.left > 0 || seen.bytes != bytes {
            return Err("oracle: written differently".into());
        }
    }
    Ok(())
}

/// Null in the place of each string, array and byte string: both sides take it, or neither does.
/// The oracle takes null in every version of a field that has it in one; Kafka does not, nor do we.
pub fn check_nulls(subject: &Subject, version: i16, seed: u64) -> Result<(), String> {
    let mut maker = Maker { prng: &mut Prng::new(seed), version, style: Style::Random };
    let tree = maker.message(subject.shape);
    for null_at in 0.. {
        let mut encoder = Encoder::new(version, subject.flexible);
        encoder.null_at = Some(null_at);
        encoder.fields(subject.shape, &tree);
        if encoder.lengths.len() <= null_at {
            break;
        }
        let ours = (subject.ours)(&encoder.bytes, version);
        let theirs = (subject.oracle)(&encoder.bytes, version);
        let lenient = encoder.null_is_later && ours.is_err();
        if ours.is_ok() != theirs.is_ok() && !lenient {
            return Err(format!("null for length {null_at}: ours {ours:?}, oracle {theirs:?}"));
        }
    }
    Ok(())
}

#[test]
fn both_sides_agree_on_every_message() {
    let seed = crate::seed();
    let mut prng = Prng::new(seed);
    let mut messages = 0u64;
    for subject in everything() {
        for version in subject.versions.first..=subject.versions.last {
            for round in 0..crate::rounds(ROUNDS) {
                let style = if round == 0 { Style::Least } else { Style::Random };
                let seed = prng.next_u64();
                if let Err(error) = check(&subject, version, seed, style) {
                    panic!("{} version {version}, seed {seed}: {error}", subject.name);
                }
                messages += 1;
            }
        }
    }
    println!("{messages} messages through both sides");
}

#[test]
fn both_sides_agree_on_where_null_is_allowed() {
    let mut prng = Prng::new(crate::seed());
    for subject in everything() {
        for version in subject.common_versions() {
            for _ in 0..crate::rounds(5) {
                let seed = prng.next_u64();
                if let Err(error) = check_nulls(&subject, version, seed) {
                    panic!("{} version {version}, seed {seed}: {error}", subject.name);
                }
            }
        }
    }
}

#[test]
fn versions_without_an_oracle_are_known() {
    let own = |subject: Subject| subject.own_versions().map(move |version| (subject.name, version));
    let unknown: Vec<_> = subjects().into_iter().chain(member_data()).flat_map(own).collect();
    for (name, version) in &unknown {
        println!("NOT COMPARED WITH THE ORACLE: {name} version {version}");
    }
    assert_eq!(unknown, UNKNOWN_TO_ORACLE);
    for subject in subjects().into_iter().chain(member_data()) {
        assert!(subject.common_versions().count() > 0, "{} has no oracle at all", subject.name);
    }
}
