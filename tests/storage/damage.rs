//! One flipped bit, one cut, anywhere in a partition's files: seen, or without consequence; never
//! served as good.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::log::checkpoint::Entry;
use ringmain::log::{Budget, Limits, Log, LogSettings, Origin, Records, gather, verify};
use ringmain::model::LeaderEpoch;
use ringmain::rt;
use ringmain::wire::batch::Batches;
use ringmain::wire::record::BatchFields;

use crate::seeds::seeds;
use crate::support::{NOW, TOPIC, World, batch_of, empty_dir, on_core};

/// Bytes of every batch by its base offset, as the log stores them.
pub type Stored = Vec<(i64, Vec<u8>)>;

pub fn settings() -> LogSettings {
    LogSettings { segment_bytes: 30_000, index_interval_bytes: 1500, ..LogSettings::default() }
}

/// Three segments by several producers under several epochs, closed in order.
pub async fn build(dir: &Path) -> (Entry, Stored) {
    let budget = Budget::new(Limits::default());
    let log = Log::create(dir, TOPIC, settings(), &budget).await.unwrap();
    let mut prng = Prng::new(77);
    let mut sequences = [0; 3];
    for number in 0..110 {
        let who = prng.below(3) as usize;
        let count = 1 + prng.below(4) as usize;
        let fields = BatchFields {
            producer_id: who as i64,
            producer_epoch: 0,
            base_sequence: sequences[who],
            ..BatchFields::default()
        };
        sequences[who] += count as i32;
        let bytes = batch_of(fields, count, 100 + prng.below(300) as usize);
        let epoch = LeaderEpoch(number / 40);
        let now_ms = NOW + i64::from(number);
        log.append(Records::Copy(&bytes), epoch, now_ms, Origin::Client).unwrap();
    }
    let entry = log.close().await.unwrap();
    let log = Log::open(dir, settings(), &budget, Some(&entry)).await.unwrap();
    let stored = read(&log).await.expect("undamaged");
    (log.close().await.unwrap(), stored)
}

/// Everything that can be read, batch by batch from its own offset; `None` for what is refused.
pub async fn read(log: &Rc<Log>) -> Option<Stored> {
    let mut stored = Vec::new();
    let (mut offset, end) = (log.log_start_offset(), log.end_offset());
    while offset < end {
        let plan = log.read(offset, 1, end, true).await.ok()?;
        let bytes = gather(plan.pieces).await.ok()?;
        let batch = Batches::new(&bytes).next()?.ok()?;
        stored.push((batch.header.base_offset(), batch.bytes.to_vec()));
        offset = batch.header.next_offset();
    }
    Some(stored)
}

fn copy(from: &Path, to: &Path) -> Vec<PathBuf> {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        std::fs::copy(&path, &target).unwrap();
        if std::fs::metadata(&target).unwrap().len() > 0 {
            files.push(target);
        }
    }
    files.sort();
    files
}

/// Damages a file and says whether it can be told from its content alone.
fn damage(file: &Path, prng: &mut Prng) -> bool {
    let mut bytes = std::fs::read(file).unwrap();
    let at = prng.below(bytes.len() as u64) as usize;
    let is_index =
        file.extension().is_some_and(|suffix| suffix.to_string_lossy().contains("index"));
    if prng.chance(1, 4) {
        bytes.truncate(at);
        std::fs::write(file, bytes).unwrap();
        // A log that ends between two batches, or an index that ends early, is a valid one.
        return false;
    }
    bytes[at] ^= 1 << prng.below(8);
    std::fs::write(file, bytes).unwrap();
    // Another topic id is told by whoever knows the right one.
    !is_index && !file.ends_with("partition.metadata")
}

#[test]
fn damage_is_seen_or_without_consequence() {
    on_core(|| async {
        let source = empty_dir("damage-source").join("t-0");
        let (entry, stored) = build(&source).await;
        assert_eq!(verify(&source).unwrap(), []);
        for seed in seeds(60) {
            let mut prng = Prng::new(seed);
            let dir = source.parent().unwrap().with_file_name("damage").join("t-0");
            let files = copy(&source, &dir);
            let file = &files[prng.below(files.len() as u64) as usize];
            let must_be_seen = damage(file, &mut prng);
            let faults = verify(&dir).unwrap();
            assert!(!faults.is_empty() || !must_be_seen, "seed {seed}: {}", file.display());
            let budget = Budget::new(Limits::default());
            let known = prng.chance(1, 2).then_some(&entry);
            let Ok(log) = Log::open(&dir, settings(), &budget, known).await else { continue };
            let read = read(&log).await;
            for (offset, bytes) in read.iter().flatten() {
                let original = stored.iter().find(|(at, _)| at == offset);
                let is_original = original.is_some_and(|(_, original)| original == bytes);
                let batch = Batches::new(bytes).next().unwrap().unwrap();
                let is_told = batch.check_crc().is_err() || is_unchecked(original, bytes);
                assert!(is_original || is_told, "seed {seed}: offset {offset}");
            }
            if file.extension().is_some_and(|suffix| suffix != "log") {
                let complete = read.is_some_and(|read| read.len() == stored.len());
                assert!(complete, "seed {seed}: {} cost records", file.display());
            }
        }
    });
}

/// A batch's base offset is outside of its checksum.
#[test]
fn a_wrong_base_offset_is_told_by_its_neighbours() {
    for bit in 0..8 {
        World::new(2).run(move |world| async move {
            let log = world.create("t-0", settings()).await;
            for _ in 0..100 {
                let bytes = batch_of(BatchFields::default(), 3, 200);
                log.append(Records::Copy(&bytes), LeaderEpoch(0), NOW, Origin::Client).unwrap();
            }
            let log = world.reopen(log).await;
            let first = log.dir().join("00000000000000000000.log");
            let bytes = world.disk().read(&first).unwrap();
            let batches = Batches::new(&bytes).map(|batch| batch.unwrap());
            let places: Vec<_> = batches
                .scan(0, |end, batch| {
                    let at = std::mem::replace(end, *end + batch.bytes.len() as u64);
                    Some((at, batch.header.base_offset(), batch.header.next_offset()))
                })
                .collect();
            assert!(places.len() > 30);
            for &(at, base, next) in &places[..places.len() - 1] {
                world.disk().rot(&first, at + 7, bit).unwrap();
                for offset in base..next {
                    if let Ok(plan) = log.read(offset, 1, 300, true).await {
                        assert_ne!(plan.base_offset, base ^ (1 << bit), "bit {bit} of {base}");
                    }
                }
                world.disk().rot(&first, at + 7, bit).unwrap();
            }
        });
    }
}

/// Whatever the checkpoint says or does not say, finished segments are never cut.
#[test]
fn what_was_finished_and_is_damaged_is_reported_and_not_cut() {
    World::new(1).run(|world| async move {
        let log = world.create("t-0", settings()).await;
        for _ in 0..100 {
            let bytes = batch_of(BatchFields::default(), 2, 500);
            log.append(Records::Copy(&bytes), LeaderEpoch(0), NOW, Origin::Client).unwrap();
        }
        log.sync().await.unwrap();
        rt::sleep(Duration::from_millis(100)).await;
        let first = log.dir().join("00000000000000000000.log");
        world.disk().rot(&first, 9_000, 3).unwrap();
        let opened = world.try_open("t-0", settings()).await.err().expect("it is damaged");
        assert!(opened.is_corruption(), "{opened}");
        assert_eq!(opened.path(), first);
        let position = opened.position().expect("a place");
        assert!((8_000..=9_000).contains(&position), "{position}");
        // Nothing was cut: the same again, and whole when the damage is undone.
        assert!(world.try_open("t-0", settings()).await.is_err());
        world.disk().rot(&first, 9_000, 3).unwrap();
        let log = world.open("t-0", settings()).await;
        assert_eq!(log.end_offset(), 200);
        log.close().await.unwrap();
    });
}

/// True when the batches differ only in the leader epoch, which no checksum covers.
fn is_unchecked(original: Option<&(i64, Vec<u8>)>, bytes: &[u8]) -> bool {
    original.is_some_and(|(_, original)| {
        original.len() == bytes.len()
            && original
                .iter()
                .zip(bytes)
                .enumerate()
                .all(|(at, (a, b))| a == b || (12..16).contains(&at))
    })
}
