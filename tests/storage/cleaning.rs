//! Compaction, while producers write, readers read, and the machine is killed and loses power at any
//! moment: the last value of every key stays, with its offset and its time; a deleted key stays
//! deleted, and is told long enough; what is aborted never shows; producers are known.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::log::{Budget, Compaction, Limits, Log, LogSettings, Means, Origin, Records};
use ringmain::log::{checkpoint, verify};
use ringmain::model::{LeaderEpoch, Offset};
use ringmain::rt::sim::{CrashKind, HostId, Sim, SimOptions};
use ringmain::rt::{self, file};
use ringmain::wire::batch::{Batch, Batches};
use ringmain::wire::compression::Codec;
use ringmain::wire::record::{BatchBuilder, BatchFields};

use crate::keyed::{Event, History, Keyed, batches_of, committed, records_of};
use crate::seeds::{seeds, talk};
use crate::support::{TOPIC, bytes_of, empty_dir};

const DIR: &str = "/data/t-0";
const CHECKPOINT: &str = "/data/checkpoint";
const EPOCH: LeaderEpoch = LeaderEpoch(0);
/// Writes transactions; others: one with sequence numbers, one without.
const TRANSACTIONAL: i64 = 1;
const IDEMPOTENT: i64 = 5;

struct Plan {
    seed: u64,
    settings: LogSettings,
    keys: u64,
    memory_bytes: usize,
    cache_bytes: usize,
}

impl Plan {
    fn new(seed: u64, prng: &mut Prng) -> Plan {
        let compaction = Compaction {
            min_cleanable_dirty_ratio: [0.0, 0.3][prng.below(2) as usize],
            min_lag_ms: [0, 0, 5][prng.below(3) as usize],
            max_lag_ms: [i64::MAX, 10][prng.below(2) as usize],
            delete_retention_ms: [0, 5, 15, 10_000][prng.below(4) as usize],
        };
        let settings = LogSettings {
            segment_bytes: [1_500, 4_000, 20_000][prng.below(3) as usize],
            index_interval_bytes: 300,
            file_delete_delay_ms: prng.below(8),
            compaction: Some(compaction),
            ..LogSettings::default()
        };
        let memory_bytes = [24 * 12, 1 << 20][prng.below(2) as usize];
        let cache_bytes = [16 << 10, 4 << 20][prng.below(2) as usize];
        Plan { seed, settings, keys: 3 + prng.below(30), memory_bytes, cache_bytes }
    }

    fn delete_retention_ms(&self) -> i64 {
        self.settings.compaction.expect("a compacted log").delete_retention_ms
    }
}

/// What must be true, kept outside of the simulated machine.
#[derive(Default)]
struct Truth {
    history: History,
    synced: Offset,
    /// How often cleaning was tried, and how often it came to its end.
    tried: u64,
    cleaned: u64,
    lives: u64,
}

type Shared = Rc<RefCell<Truth>>;

async fn open(plan: &Plan) -> Rc<Log> {
    let budget = Budget::new(Limits { cache_bytes: plan.cache_bytes, ..Limits::default() });
    let dir = Path::new(DIR);
    if !file::exists(&dir.join("partition.metadata")).await.unwrap() {
        return Log::create(dir, TOPIC, plan.settings, &budget).await.unwrap();
    }
    let bytes = file::read_whole(Path::new(CHECKPOINT)).await.unwrap_or_default();
    let entries = checkpoint::decode(&bytes).unwrap_or_default();
    Log::open(dir, plan.settings, &budget, entries.first()).await.expect("it recovers")
}

async fn keep(log: &Log) {
    let Ok(entry) = log.checkpoint().await else { return };
    let entry_bytes = checkpoint::encode(&vec![entry.clone()]);
    file::write_whole(Path::new(CHECKPOINT), &entry_bytes).await.expect("the disk works");
    log.note_checkpoint(&entry);
}

/// Holds what is read from the whole log against everything that was appended.
fn judge(plan: &Plan, truth: &Truth, read: &[Keyed], clean: Offset, end: Offset, now_ms: i64) {
    let all = truth.history.records();
    let below = || all.range(..end).map(|(_, record)| record);
    let mut last: BTreeMap<&[u8], &Keyed> = BTreeMap::new();
    for (record, _) in below().filter(|(_, fate)| *fate == Some(true)) {
        last.insert(&record.key, record);
    }
    let mut found: BTreeMap<&[u8], Vec<&Keyed>> = BTreeMap::new();
    for record in read {
        let (original, fate) = all[&record.offset];
        assert_eq!(record, original);
        assert_eq!(fate, Some(true), "shown, and not committed: {record:?}");
        found.entry(&record.key).or_default().push(record);
    }
    for (key, last) in last {
        let found = found.remove(key).unwrap_or_default();
        let below_clean = found.iter().filter(|record| record.offset < clean).count();
        assert!(below_clean <= 1, "superseded below {clean}, and there: {found:?}");
        match (found.last(), &last.value) {
            (Some(found), _) => assert_eq!(*found, last, "another one is the last of its key"),
            (None, Some(_)) => panic!("lost: {last:?}, clean up to {clean}"),
            (None, None) => {
                let waited = now_ms - last.time;
                assert!(waited >= plan.delete_retention_ms(), "told only {waited} ms: {last:?}");
            }
        }
    }
    if truth.tried == 0 {
        let wanted = below().filter(|(_, fate)| *fate == Some(true)).count();
        assert_eq!(read.len(), wanted, "never cleaned, and something is gone");
    }
}

/// Everything up to the last stable offset, as a transactional reader sees it.
async fn read_committed(log: &Log, max_bytes: u64) -> (Vec<Keyed>, Offset) {
    let (start, end) = (log.log_start_offset(), log.last_stable_offset());
    let batches = batches_of(log, start, end, max_bytes).await;
    (committed(&batches, log.aborted_transactions(start, end)), end)
}

async fn judge_opened(plan: &Plan, log: &Rc<Log>, truth: &Shared, needed: Offset) {
    let end = log.end_offset();
    assert!(end >= needed, "lost: {end} of {needed} acknowledged");
    log.set_high_watermark(end);
    {
        let mut truth = truth.borrow_mut();
        assert!(end <= truth.history.end(), "more than was ever appended");
        truth.history.cut(end);
        truth.synced = end;
        truth.lives += 1;
    }
    let (read, stable) = read_committed(log, 2_000).await;
    let truth = truth.borrow();
    judge(plan, &truth, &read, log.cleaned_offset(), stable, rt::unix_ms());
    for id in [TRANSACTIONAL, IDEMPOTENT] {
        let known = log.producers().get(id).map(|producer| {
            (producer.epoch, producer.last().map_or(-1, |batch| batch.last_sequence))
        });
        assert_eq!(known, truth.history.last_of(id), "producer {id}");
    }
}

fn append(plan: &Plan, log: &Log, truth: &Shared, prng: &mut Prng) {
    let truth = &mut *truth.borrow_mut();
    let producer_id = [-1, -1, IDEMPOTENT, TRANSACTIONAL, TRANSACTIONAL][prng.below(5) as usize];
    let is_transactional = producer_id == TRANSACTIONAL;
    let is_open = truth.history.has_open_transaction(TRANSACTIONAL);
    let now_ms = rt::unix_ms();
    if is_transactional && is_open && prng.chance(1, 3) {
        return end_transaction(log, truth, prng.chance(1, 2), prng.chance(1, 2));
    }
    let (epoch, sequence) = truth.history.last_of(producer_id).unwrap_or((0, -1));
    let mut builder = BatchBuilder::new(BatchFields {
        codec: Codec::ALL[prng.below(5) as usize],
        transactional: is_transactional,
        producer_id,
        producer_epoch: if producer_id < 0 { -1 } else { epoch },
        base_sequence: if producer_id < 0 { -1 } else { sequence + 1 },
        ..BatchFields::default()
    });
    let mut records = Vec::new();
    for number in 0..1 + prng.below(5) {
        let key = format!("k{}", prng.below(plan.keys)).into_bytes();
        let value = vec![prng.next_u64() as u8; 1 + prng.below(200) as usize];
        let value = (!prng.chance(1, 5)).then_some(value);
        let time = now_ms - prng.below(3) as i64;
        builder.push(time, Some(&key), value.as_deref(), &[]);
        let offset = log.end_offset() + number as Offset;
        records.push(Keyed { offset, key, value, time });
    }
    let count = records.len() as i32;
    let bytes = builder.finish();
    let appended = log.append(Records::Copy(&bytes), EPOCH, now_ms, Origin::Client);
    let appended = appended.expect("in sequence");
    assert_eq!(appended.base_offset, records[0].offset);
    let transaction = is_transactional.then_some(producer_id);
    for record in records {
        truth.history.record(Event::Record { record, transaction });
    }
    if producer_id >= 0 {
        let end = appended.last_offset + 1;
        truth.history.producer(end, producer_id, (epoch, sequence + count));
    }
}

/// `raises`: the marker carries the next epoch (KIP-890), under which sequences begin again.
fn end_transaction(log: &Log, truth: &mut Truth, commit: bool, raises: bool) {
    let (epoch, sequence) = truth.history.last_of(TRANSACTIONAL).expect("it has begun");
    let epoch = epoch + i16::from(raises);
    let mut builder = BatchBuilder::new(BatchFields {
        producer_id: TRANSACTIONAL,
        producer_epoch: epoch,
        transactional: true,
        control: true,
        ..BatchFields::default()
    });
    let key = [0, 0, 0, u8::from(commit)];
    builder.push(rt::unix_ms(), Some(&key), Some(&[0, 0, 0, 0, 0, 7]), &[]);
    let version = if raises { 2 } else { 0 };
    let appended = log.append_marker(&builder.finish(), EPOCH, rt::unix_ms(), version);
    let offset = appended.expect("its own epoch").base_offset;
    truth.history.record(Event::Marker { offset, producer_id: TRANSACTIONAL, commit });
    let sequence = if raises { -1 } else { sequence };
    truth.history.producer(offset + 1, TRANSACTIONAL, (epoch, sequence));
}

async fn flush(log: Rc<Log>, truth: Shared) {
    loop {
        while log.is_dirty() {
            let progress = log.flush_step().await.expect("the disk works");
            truth.borrow_mut().synced = progress.synced_offset;
            log.set_high_watermark(progress.synced_offset);
        }
        rt::sleep(Duration::from_micros(100)).await;
    }
}

async fn clean(plan: Rc<Plan>, log: Rc<Log>, truth: Shared, mut prng: Prng) {
    let means = Means::default();
    means.memory_bytes.set(plan.memory_bytes);
    loop {
        rt::sleep(Duration::from_micros(prng.below(4_000))).await;
        if prng.chance(2, 3) {
            log.prepare_checkpoint().await.expect("the disk works");
            keep(&log).await;
        }
        let before = log.cleaned_offset();
        truth.borrow_mut().tried += 1;
        if let Some(end) = log.clean(&means).await.expect("it can be cleaned") {
            assert!(end > before, "it gets on");
            truth.borrow_mut().cleaned += 1;
        }
    }
}

/// The first record that a transactional reader is shown and must not be, one answer at a time.
async fn read_aborted(log: &Log, truth: &Shared, from: Offset, end: Offset) -> Option<Keyed> {
    let mut offset = from;
    while offset < end {
        let plan = log.read(offset, 1_500, end, true).await.expect("a read");
        // As an answer to a fetch has it.
        let aborted = log.aborted_transactions(offset, plan.next_offset);
        let bytes = bytes_of(&plan).await;
        let batches: Vec<Vec<u8>> =
            Batches::new(&bytes).map(|batch| batch.expect("whole").bytes.to_vec()).collect();
        let truth = truth.borrow();
        let records = truth.history.records();
        let shown = committed(&batches, aborted);
        let wrong = shown.into_iter().find(|record| records[&record.offset].1 == Some(false));
        if wrong.is_some() {
            return wrong;
        }
        offset = plan.next_offset;
    }
    None
}

/// Reads from anywhere to the end while all of this goes on.
async fn read(plan: Rc<Plan>, log: Rc<Log>, truth: Shared, mut prng: Prng) {
    loop {
        let stable = log.last_stable_offset();
        let from = prng.below(stable as u64 + 1) as Offset;
        if let Some(aborted) = read_aborted(&log, &truth, from, stable).await {
            panic!("shown, and aborted: {aborted:?}");
        }
        let from = prng.below(log.end_offset() as u64 + 1) as Offset;
        let end = log.end_offset();
        let mut last: BTreeMap<Vec<u8>, Offset> = BTreeMap::new();
        for bytes in batches_of(&log, from, end, 1 + prng.below(3_000)).await {
            let batch = Batch::first(&bytes).unwrap();
            for record in records_of(&batch).into_iter().filter(|_| !batch.header.is_control()) {
                last.insert(record.key, record.offset);
            }
        }
        {
            let truth = truth.borrow();
            let mut wanted: BTreeMap<&[u8], &Keyed> = BTreeMap::new();
            for (record, fate) in truth.history.records().values() {
                if *fate == Some(true) {
                    wanted.insert(&record.key, record);
                }
            }
            for record in wanted.values().filter(|record| (from..end).contains(&record.offset)) {
                let seen = last.get(&record.key).is_some_and(|last| *last >= record.offset);
                let may_go = record.value.is_none() && plan.delete_retention_ms() < 1000;
                assert!(seen || may_go, "from {from} to {end}, not seen: {record:?}");
            }
        }
        rt::sleep(Duration::from_micros(prng.below(5_000))).await;
    }
}

/// One life of a broker: recovers, is judged, then works until it is ended.
async fn live(plan: Rc<Plan>, truth: Shared, needed: Offset) {
    let log = open(&plan).await;
    judge_opened(&plan, &log, &truth, needed).await;
    if truth.borrow().history.has_open_transaction(TRANSACTIONAL) {
        end_transaction(&log, &mut truth.borrow_mut(), false, true);
    }
    let mut prng = Prng::new(plan.seed * 1000 + truth.borrow().lives);
    let mut random = || Prng::new(prng.next_u64());
    rt::spawn(flush(log.clone(), truth.clone())).detach();
    rt::spawn(clean(plan.clone(), log.clone(), truth.clone(), random())).detach();
    rt::spawn(read(plan.clone(), log.clone(), truth.clone(), random())).detach();
    loop {
        for _ in 0..=prng.below(6) {
            append(&plan, &log, &truth, &mut prng);
        }
        match prng.below(10) {
            0 => log.roll(rt::unix_ms()),
            1..8 => rt::sleep(Duration::from_micros(prng.below(6_000))).await,
            _ => rt::yield_now().await,
        }
    }
}

fn check(seed: u64) -> u64 {
    let mut prng = Prng::new(seed);
    let plan = Rc::new(Plan::new(seed, &mut prng));
    let sim = Sim::with_options(seed, SimOptions { talk: talk(), ..SimOptions::default() });
    let host = sim.add_host("broker");
    sim.disk(host).install_dir(Path::new("/data")).unwrap();
    let truth = Shared::default();
    sim.run(async {
        let mut needed = 0;
        for _ in 0..1 + prng.below(4) {
            sim.start(host, 1, |_| live(plan.clone(), truth.clone(), needed));
            rt::sleep(Duration::from_micros(2_000 + prng.below(120_000))).await;
            let power = prng.chance(1, 2);
            sim.crash(host, if power { CrashKind::PowerLoss } else { CrashKind::ProcessKill });
            needed = truth.borrow().synced;
        }
        end_in_order(&sim, host, &plan, &truth, needed).await;
    });
    inspect(&sim, host, seed);
    truth.borrow().cleaned
}

/// The last life cleans all it can and closes; what is left is opened with and without what was
/// known of it.
async fn end_in_order(sim: &Sim, host: HostId, plan: &Rc<Plan>, truth: &Shared, needed: Offset) {
    let (plan, truth) = (plan.clone(), truth.clone());
    sim.spawn(host, async move {
        let log = open(&plan).await;
        judge_opened(&plan, &log, &truth, needed).await;
        if truth.borrow().history.has_open_transaction(TRANSACTIONAL) {
            end_transaction(&log, &mut truth.borrow_mut(), true, false);
        }
        log.sync().await.unwrap();
        log.roll(rt::unix_ms());
        append(&plan, &log, &truth, &mut Prng::new(plan.seed));
        log.sync().await.unwrap();
        log.set_high_watermark(log.end_offset());
        rt::sleep(Duration::from_millis(50)).await;
        keep(&log).await;
        let means = Means::default();
        let mut clean = log.cleaned_offset();
        truth.borrow_mut().tried += 1;
        while let Some(end) = log.clean(&means).await.expect("it can be cleaned") {
            assert!(end > clean, "it gets on: {clean}, {end}, {:?}", log.filth().await);
            clean = end;
            truth.borrow_mut().cleaned += 1;
        }
        let end = truth.borrow().history.end();
        let entry = log.close().await.expect("it closes");
        let bytes = checkpoint::encode(&vec![entry]);
        file::write_whole(Path::new(CHECKPOINT), &bytes).await.unwrap();
        let log = open(&plan).await;
        assert_eq!(log.recovered().scanned_bytes, 0, "a clean log is not scanned");
        judge_opened(&plan, &log, &truth, end).await;
        log.close().await.expect("it closes");
        forget_everything_known().await;
        let log = open(&plan).await;
        assert_eq!((log.end_offset(), log.recovered().cut.clone()), (end, None));
        log.set_high_watermark(end);
        let (read, stable) = read_committed(&log, 500).await;
        judge(&plan, &truth.borrow(), &read, 0, stable, rt::unix_ms());
        for id in [TRANSACTIONAL, IDEMPOTENT] {
            let known = truth.borrow().history.last_of(id).filter(|(_, sequence)| *sequence >= 0);
            let Some(known) = known else { continue };
            let producers = log.producers();
            let found = producers.get(id).expect("its last batch tells");
            assert_eq!((found.epoch, found.last().expect("one").last_sequence), known);
        }
        log.close().await.expect("it closes");
    })
    .await;
}

/// As in a directory of which only the segments are left.
async fn forget_everything_known() {
    file::remove_file(Path::new(CHECKPOINT)).await.unwrap();
    for entry in file::list_dir(Path::new(DIR)).await.unwrap() {
        if entry.name.ends_with(".snapshot") {
            file::remove_file(&Path::new(DIR).join(&entry.name)).await.unwrap();
        }
    }
}

/// All files agree with each other, and no cleaning has left one behind.
fn inspect(sim: &Sim, host: HostId, seed: u64) {
    let disk = sim.disk(host);
    let dir = empty_dir(&format!("cleaned-{seed}"));
    for entry in disk.list(Path::new(DIR)).unwrap() {
        let bytes = disk.read(&Path::new(DIR).join(&entry.name)).unwrap();
        std::fs::write(dir.join(&entry.name), bytes).unwrap();
    }
    let mut faults = verify(&dir).unwrap();
    // Those were removed by the last cleaning, and the machine ended before their time.
    faults.retain(|fault| fault.file.extension().is_none_or(|suffix| suffix != "deleted"));
    assert_eq!(faults, [], "seed {seed}");
    std::fs::remove_dir_all(dir).unwrap();
}

/// A fourth of the seeds, so that the parts run beside each other.
fn check_part(part: u64) {
    let (mut runs, mut cleaned) = (0, 0);
    for seed in seeds(120).filter(|seed| seed % 4 == part) {
        runs += 1;
        cleaned += check(seed);
    }
    assert!(cleaned >= runs, "little was cleaned: {cleaned} times in {runs} runs");
}

#[test]
fn the_last_of_every_key_stays_first_part() {
    check_part(0);
}

#[test]
fn the_last_of_every_key_stays_second_part() {
    check_part(1);
}

#[test]
fn the_last_of_every_key_stays_third_part() {
    check_part(2);
}

#[test]
fn the_last_of_every_key_stays_fourth_part() {
    check_part(3);
}

/// Writes, cleans, and writes down up to where; then waits for its end.
async fn clean_and_say_so(plan: Rc<Plan>, truth: Shared) {
    let log = open(&plan).await;
    let mut prng = Prng::new(plan.seed);
    for _ in 0..80 {
        append(&plan, &log, &truth, &mut prng);
        if prng.chance(1, 8) {
            log.roll(rt::unix_ms());
        }
    }
    log.sync().await.expect("the disk works");
    log.set_high_watermark(log.end_offset());
    rt::sleep(Duration::from_millis(30)).await;
    log.prepare_checkpoint().await.expect("the disk works");
    keep(&log).await;
    truth.borrow_mut().tried += 1;
    let cleaned = log.clean(&Means::default()).await.expect("it can be cleaned");
    keep(&log).await;
    let mut truth = truth.borrow_mut();
    truth.cleaned += u64::from(cleaned.is_some());
    truth.synced = log.end_offset();
    truth.lives = 1;
}

#[test]
fn what_is_called_clean_is_clean_after_the_power_was_lost() {
    let mut cleaned = 0;
    for seed in seeds(40) {
        let plan = Rc::new(Plan::new(seed, &mut Prng::new(seed)));
        let sim = Sim::with_options(seed, SimOptions { talk: talk(), ..SimOptions::default() });
        let host = sim.add_host("broker");
        sim.disk(host).install_dir(Path::new("/data")).unwrap();
        let truth = Shared::default();
        sim.run(async {
            sim.start(host, 1, |_| clean_and_say_so(plan.clone(), truth.clone()));
            while truth.borrow().lives == 0 {
                rt::sleep(Duration::from_micros(50)).await;
            }
            sim.crash(host, CrashKind::PowerLoss);
            let (plan, truth) = (plan.clone(), truth.clone());
            let needed = truth.borrow().synced;
            sim.spawn(host, async move {
                let log = open(&plan).await;
                judge_opened(&plan, &log, &truth, needed).await;
            })
            .await;
        });
        cleaned += truth.borrow().cleaned;
    }
    assert!(cleaned > 0, "nothing was cleaned");
}
