//! One damage anywhere in a data directory: a flipped bit, a file cut short, two sectors swapped, a
//! file that holds what belongs to another. It is told of, or it has no consequence; what is damaged
//! is never served as good. The directory was closed in order, or its broker killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ringmain::base::prng::Prng;
use ringmain::model::error_code::ErrorCode;
use ringmain::wire::batch::Batches;
use ringmain::wire::messages::fetch::Fetch;
use ringmain::wire::record::RecordReader;
use ringmain::wire::value::Records;

use crate::broker::Setup;
use crate::client::Client;
use crate::topics::{Sequence, Topic, batch, from, new_producer_id};

const SECTOR: usize = 512;
/// What a consumer says of a batch that is not what the producer sent.
const CHECKSUM: &str = "a wrong checksum";
const TOPICS: [&str; 2] = ["first", "second"];

/// Offset and value of every record of each topic.
type Content = BTreeMap<&'static str, Vec<(i64, u64)>>;

/// A directory with several segments in each of two partitions.
fn build(setup: &Setup, in_order: bool) -> Content {
    let broker = setup.start();
    let mut client = Client::connect(broker.address()).expect("a connection");
    let small = [("segment.bytes", "1048576")];
    let topics = TOPICS.map(|name| Topic::create(&mut client, name, 1, &small));
    let mut value = 0;
    for topic in &topics {
        let (error, producer_id, epoch) = new_producer_id(&mut client).expect("a producer");
        assert_eq!(error, ErrorCode::NONE);
        for base in 0..90 {
            let values: Vec<u64> = (value..value + 4).collect();
            value += 4;
            let sequence = Sequence { producer_id, epoch, base: base * 4 };
            let bytes = batch(sequence, &values, 7000);
            let (error, _) = topic.produce(&mut client, 0, &bytes).expect("an answer");
            assert_eq!(error, ErrorCode::NONE);
        }
    }
    if !in_order {
        // Long enough for a checkpoint, and something behind it.
        thread::sleep(Duration::from_secs(21));
        for topic in &topics {
            topic.put(&mut client, 0, &[value, value + 1]);
            value += 2;
        }
    }
    let read = |topic: &Topic, client: &mut Client| topic.read_all(client, 0).expect("the log");
    let content = TOPICS.iter().zip(&topics).map(|(name, it)| (*name, read(it, &mut client)));
    let content = content.collect();
    if in_order {
        broker.stop()
    } else {
        broker.kill()
    }
    content
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if entry.metadata().expect("a file").len() > 0 {
            found.push(path);
        }
    }
}

/// Damages one file; says how, and whether the bytes are of those that nothing covers.
fn damage(data: &Path, dice: &mut Prng) -> (PathBuf, String, bool) {
    let mut all = Vec::new();
    files(data, &mut all);
    all.sort();
    // Every kind of file has the same chance, however many there are of it.
    let kind = |path: &Path| match path.extension() {
        Some(suffix) => suffix.to_string_lossy().into_owned(),
        None => path.file_name().expect("a name").to_string_lossy().into_owned(),
    };
    let mut kinds: Vec<String> = all.iter().map(|path| kind(path)).collect();
    kinds.sort();
    kinds.dedup();
    let wanted = &kinds[dice.below(kinds.len() as u64) as usize];
    let like: Vec<&PathBuf> = all.iter().filter(|path| kind(path) == *wanted).collect();
    let path = like[dice.below(like.len() as u64) as usize].clone();
    let mut bytes = fs::read(&path).expect("a file");
    let at = dice.below(bytes.len() as u64) as usize;
    let sectors = bytes.len() / SECTOR;
    let mut is_unchecked = false;
    let how = match dice.below(8) {
        0 => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        1 if sectors > 1 => {
            let pair = [0, 1].map(|_| dice.below(sectors as u64) as usize * SECTOR);
            for offset in 0..SECTOR {
                bytes.swap(pair[0] + offset, pair[1] + offset);
            }
            format!("sectors at {pair:?} swapped")
        }
        // Not by the same file of another partition: its bytes are as good (docs/durability.md).
        2 if like.iter().any(|other| other.file_name() != path.file_name()) => {
            let others = like.iter().filter(|other| other.file_name() != path.file_name());
            let others: Vec<_> = others.collect();
            let other = others[dice.below(others.len() as u64) as usize];
            bytes = fs::read(other).expect("a file");
            format!("replaced by {}", other.display())
        }
        _ => {
            is_unchecked = wanted == "log" && uncovered(&bytes, at);
            bytes[at] ^= 1 << dice.below(8);
            format!("a bit of byte {at} flipped")
        }
    };
    fs::write(&path, bytes).expect("the file takes it");
    (path, how, is_unchecked)
}

/// Whether this byte is of a batch's base offset or leader epoch: no checksum covers them.
fn uncovered(bytes: &[u8], at: usize) -> bool {
    let mut start = 0;
    for batch in Batches::new(bytes).map_while(Result::ok) {
        let end = start + batch.bytes.len();
        if at < end {
            return (start..start + 8).contains(&at) || (start + 12..start + 16).contains(&at);
        }
        start = end;
    }
    false
}

/// What a consumer makes of a partition: the records, up to where something is wrong.
fn consume(topic: &Topic, client: &mut Client) -> (Vec<(i64, u64)>, Option<String>) {
    let mut records = Vec::new();
    let mut position = 0;
    loop {
        let request = topic.fetch_request(12, from(0, position));
        let answer = match client.call::<Fetch>(12, &request) {
            Ok(answer) => answer,
            Err(error) => return (records, Some(error.to_string())),
        };
        let body = answer.body();
        let data = &body.responses[0].partitions[0];
        if data.error_code != ErrorCode::NONE {
            return (records, Some(data.error_code.to_string()));
        }
        if position >= data.high_watermark {
            return (records, None);
        }
        let Records::Bytes(bytes) = data.records else {
            return (records, Some(format!("nothing at {position}")));
        };
        let before = position;
        for batch in Batches::new(bytes) {
            let checked = batch.ok().filter(|batch| batch.check_crc().is_ok());
            let Some(batch) = checked else {
                return (records, Some(CHECKSUM.to_owned()));
            };
            for record in RecordReader::new(batch.payload(), batch.header.record_count()) {
                let record = record.expect("checked");
                let value = record.value.and_then(|value| value.first_chunk()).expect("checked");
                let offset = batch.header.base_offset() + i64::from(record.offset_delta);
                if offset >= before {
                    records.push((offset, u64::from_be_bytes(*value)));
                }
            }
            position = batch.header.next_offset();
        }
        if position <= before {
            return (records, Some(format!("nothing at {before}")));
        }
    }
}

#[derive(Default)]
struct Tally {
    harmless: u32,
    told: u32,
    /// The broker served the bytes, and their checksum told the consumer.
    seen: u32,
    unchecked: u32,
}

/// One damage and what came of it; what was wrong.
fn check_one(setup: &Setup, content: &Content, dice: &mut Prng, tally: &mut Tally) -> Vec<String> {
    let data = setup.data();
    let (path, how, is_unchecked) = damage(&data, dice);
    let what = format!("{}: {how}", path.display());
    let mut broker = match setup.try_start_anywhere() {
        Ok(broker) => broker,
        Err(reason) if reason.contains("data") && !reason.contains("panicked") => {
            tally.told += 1;
            return Vec::new();
        }
        Err(reason) => return vec![what, reason],
    };
    let mut client = Client::connect(broker.address()).expect("a connection");
    let (mut wrong, mut is_complete, mut is_seen) = (Vec::new(), true, false);
    for (name, expected) in content {
        let found = Topic::find(&mut client, name).expect("metadata");
        let (records, error) = match found {
            Some(topic) => consume(&topic, &mut client),
            None => (Vec::new(), Some("no topic".to_owned())),
        };
        if client.is_closed_within(Duration::from_millis(1)) {
            client = Client::connect(broker.address()).expect("a connection");
        } else {
            client.stream().set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        }
        if let Some(bad) = records.iter().find(|record| !expected.contains(record)) {
            wrong.push(format!("{name}: {bad:?} was never written"));
        }
        is_seen |= error.as_deref() == Some(CHECKSUM);
        is_complete &= error.is_none() && records.len() == expected.len();
        if error.is_some() && !path.to_string_lossy().contains(&format!("{name}-0/")) {
            let is_shared = !path.to_string_lossy().contains("-0/");
            if !is_shared {
                wrong.push(format!("{name} is told {error:?} for what it has not"));
            }
        }
    }
    broker.assert_sound();
    let notices = broker.notices();
    if !wrong.is_empty() && is_unchecked {
        // See docs/durability.md.
        wrong.clear();
        tally.unchecked += 1;
    } else if is_seen {
        tally.seen += 1;
    } else if !is_complete && notices.is_empty() && !is_unchecked {
        wrong.push("records are missing, and nobody is told".to_owned());
    } else if notices.is_empty() {
        tally.harmless += 1;
    } else {
        tally.told += 1;
    }
    broker.kill();
    if !wrong.is_empty() {
        wrong.insert(0, what);
        wrong.extend(notices);
    }
    wrong
}

#[test]
fn a_damaged_file_is_told_of_or_has_no_consequence() {
    let times = crate::number("RINGMAIN_POWER_DAMAGE").unwrap_or(24);
    let (mut dice, began) = (Prng::new(crate::seed()), Instant::now());
    let mut tally = Tally::default();
    for in_order in [true, false] {
        let source = Setup::new(if in_order { "damage-closed" } else { "damage-killed" });
        let content = build(&source, in_order);
        for turn in 0..times / 2 {
            let setup = source.on_other_directory("damage");
            let copied = Command::new("cp").arg("-a").args([source.data(), setup.data()]).status();
            assert!(copied.expect("cp runs").success());
            let wrong = check_one(&setup, &content, &mut dice, &mut tally);
            assert!(wrong.is_empty(), "in order: {in_order}, {turn}: {}", wrong.join("\n  "));
        }
    }
    println!(
        "{times} damages in {:.1} s: {} told by the broker, {} by a checksum to the consumer, \
         {} without consequence, {} in base offsets or epochs",
        began.elapsed().as_secs_f64(),
        tally.told,
        tally.seen,
        tally.harmless,
        tally.unchecked
    );
}

/// Without the checkpoint a log that is damaged at its end looks as one does whose end was torn.
#[test]
fn damage_is_not_cut_because_the_checkpoint_is_damaged_too() {
    let setup = Setup::new("damage-twice");
    let content = build(&setup, true);
    let mut all = Vec::new();
    files(&setup.data(), &mut all);
    all.sort();
    let flip = |path: &Path, from_end: usize| {
        let mut bytes = fs::read(path).expect("a file");
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        fs::write(path, bytes).expect("the file takes it");
    };
    let named = |path: &&PathBuf, what: &str| path.to_string_lossy().ends_with(what);
    for core in ["checkpoint-0", "checkpoint-1"] {
        flip(all.iter().find(|path| named(path, core)).expect("a checkpoint"), 1);
    }
    let last = all.iter().rfind(|path| named(path, ".log")).expect("a segment").clone();
    flip(&last, 5000);
    assert!(last.to_string_lossy().contains("second-0"), "{}", last.display());
    for _ in 0..2 {
        let mut broker = setup.start();
        let mut client = Client::connect(broker.address()).expect("a connection");
        // Either nobody leads it, or it cannot be read.
        let topic = Topic::find(&mut client, "second").expect("metadata");
        if let Some(topic) = topic {
            let (records, error) = consume(&topic, &mut client);
            assert!(error.is_some(), "nobody is told that {} of them are left", records.len());
        }
        broker.assert_sound();
        broker.kill();
    }
    flip(&last, 5000);
    let broker = setup.start();
    let mut client = Client::connect(broker.address()).expect("a connection");
    for (name, expected) in &content {
        let topic = Topic::describe(&mut client, name);
        assert_eq!(consume(&topic, &mut client), (expected.clone(), None));
    }
    broker.stop();
}
