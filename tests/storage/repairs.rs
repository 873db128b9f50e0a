//! Repairing what a partition's files say beside its log, and ending a log that is damaged itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ringmain::base::prng::Prng;
use ringmain::log::checkpoint::{self, Entry};
use ringmain::log::{Budget, Fault, Limits, Log, Remedy, repair, verify};

use crate::damage::{Stored, build, read, settings};
use crate::support::{empty_dir, on_core};

type Files = BTreeMap<String, Vec<u8>>;

fn files(dir: &Path) -> Files {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry"));
    let named = entries.map(|entry| (entry.file_name().into_string().expect("text"), entry.path()));
    named.map(|(name, path)| (name, fs::read(path).expect("a file"))).collect()
}

/// Puts the directory back as it was.
fn restore(dir: &Path, files: &Files) {
    fs::remove_dir_all(dir).expect("it goes");
    fs::create_dir_all(dir).expect("it comes");
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).expect("a file");
    }
}

fn damage(dir: &Path) -> Vec<Fault> {
    verify(dir).expect("it can be read").into_iter().filter(|fault| fault.is_damage).collect()
}

/// As a broker would that finds this entry in its checkpoint.
async fn open_and_read(dir: &Path, known: &Entry) -> Stored {
    let log = Log::open(dir, settings(), &Budget::new(Limits::default()), Some(known)).await;
    let log = log.expect("it opens");
    let stored = read(&log).await.expect("undamaged");
    log.close().await.expect("it closes");
    stored
}

fn is_log(name: &str) -> bool {
    name.ends_with(".log")
}

/// Flips a bit, cuts, or removes; true when something changed.
fn harm(path: &PathBuf, bytes: &[u8], prng: &mut Prng) -> &'static str {
    let at = prng.below(bytes.len().max(1) as u64) as usize;
    match prng.below(3) {
        0 if !bytes.is_empty() => {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1 << prng.below(8);
            fs::write(path, bytes).expect("a file");
            "a flipped bit"
        }
        1 if !bytes.is_empty() => {
            fs::write(path, &bytes[..at]).expect("a file");
            "a cut"
        }
        _ => {
            fs::remove_file(path).expect("a file");
            "a removal"
        }
    }
}

#[test]
fn what_can_be_made_again_is_made_again() {
    on_core(|| async {
        let dir = empty_dir("repairs").join("t-0");
        let (entry, stored) = build(&dir).await;
        let whole = files(&dir);
        let untouched = repair(&dir, Remedy::default()).expect("it can be read");
        assert_eq!(untouched.changes, [], "nothing is wrong");
        assert_eq!(files(&dir), whole);
        let mut prng = Prng::new(7);
        let beside: Vec<&String> = whole
            .keys()
            .filter(|name| !is_log(name) && name.as_str() != "partition.metadata")
            .collect();
        let mut seen = 0;
        for round in 0..300 {
            let names: Vec<&&String> = beside.iter().filter(|_| prng.chance(1, 3)).collect();
            let mut how = Vec::new();
            for name in names {
                how.push((name, harm(&dir.join(name), &whole[*name], &mut prng)));
            }
            let harmed = files(&dir);
            let told = repair(&dir, Remedy { dry_run: true, ..Remedy::default() }).expect("a look");
            assert_eq!(files(&dir), harmed, "round {round}: a dry run changes nothing");
            let done = repair(&dir, Remedy::default()).expect("it can be repaired");
            assert_eq!(done.changes, told.changes, "round {round}: it does what it said");
            seen += done.changes.len();
            // A flipped bit in a table of epochs may leave a table; then it contradicts the log.
            let left: Vec<Fault> =
                damage(&dir).into_iter().filter(|fault| !fault.what.contains("epoch")).collect();
            assert_eq!(left, [], "round {round}: {how:?}");
            let now = files(&dir);
            for (name, bytes) in whole.iter().filter(|(name, _)| is_log(name)) {
                assert_eq!(now.get(name), Some(bytes), "round {round}: {name} is no index");
            }
            if round % 10 == 0 {
                assert_eq!(open_and_read(&dir, &entry).await, stored, "round {round}: {how:?}");
            }
            restore(&dir, &whole);
        }
        assert!(seen > 300, "{seen} repairs");
    });
}

#[test]
fn a_log_is_cut_only_where_that_was_said() {
    on_core(|| async {
        let dir = empty_dir("cuts").join("t-0");
        let (entry, stored) = build(&dir).await;
        let whole = files(&dir);
        let checkpoint = dir.with_file_name(".ringmain").join("checkpoint-0");
        fs::create_dir_all(checkpoint.with_file_name("")).expect("a directory");
        let said =
            checkpoint::encode(&vec![Entry { topic: "other".to_owned(), ..entry.clone() }, entry]);
        let logs: Vec<&String> = whole.keys().filter(|name| is_log(name)).collect();
        let mut prng = Prng::new(11);
        for round in 0..60 {
            let name = logs[prng.below(logs.len() as u64) as usize];
            let mut bytes = whole[name].clone();
            // Behind the offset and the epoch, which no checksum covers.
            let at = prng.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << prng.below(8);
            fs::write(dir.join(name), &bytes).expect("a file");
            if damage(&dir).iter().all(|fault| fault.what.contains("epoch")) {
                restore(&dir, &whole);
                continue;
            }
            fs::write(&checkpoint, &said).expect("a file");
            let kept = repair(&dir, Remedy::default()).expect("a look");
            assert!(!kept.damage.is_empty(), "round {round}: it is damaged");
            assert_eq!(files(&dir)[name], bytes, "round {round}: nobody said that it may be cut");
            let cut = Remedy { cut: true, ..Remedy::default() };
            let done = repair(&dir, cut).expect("it can be cut");
            assert_eq!(done.damage, [], "round {round}: {name} at {at}");
            let says = fs::read(&checkpoint).expect("a file");
            let says = checkpoint::decode(&says).expect("a checkpoint");
            assert!(says[0].clean, "round {round}: nothing happened to the other one");
            let left = open_and_read(&dir, &says[1]).await;
            assert!(stored.starts_with(&left), "round {round}: {name} at {at}");
            assert!(left.len() < stored.len(), "round {round}: something is gone");
            // Every byte is still there.
            let now = files(&dir);
            let sum = |files: &Files, wanted: fn(&str) -> bool| -> usize {
                files.iter().filter(|(name, _)| wanted(name)).map(|(_, bytes)| bytes.len()).sum()
            };
            let all = sum(&now, |name| is_log(name) || name.ends_with(".cut"));
            assert_eq!(all, sum(&whole, is_log), "round {round}");
            restore(&dir, &whole);
        }
    });
}
