//! Compaction, while producers write, readers read, and the machine is killed and loses power at any
//! moment: the last value of every key stays, with its offset and its time; a deleted key stays
//! deleted, and is told long enough; what is aborted never shows; producers are known.

pub mod plan;
pub mod producing;
pub mod reading;
pub mod truth;

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::log::{Log, Means, checkpoint, verify};
use ringmain::model::Offset;
use ringmain::rt::sim::{CrashKind, HostId, Sim, SimOptions};
use ringmain::rt::{self, file};

use crate::seeds::{seeds, talk};
use crate::support::empty_dir;
use plan::{CHECKPOINT, DIR, IDEMPOTENT, Plan, TRANSACTIONAL, keep, open};
use producing::{append, end_transaction};
use reading::read;
use truth::{Shared, judge, judge_opened, read_committed};

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

/// One life of a broker: recovers, is judged, then works until it is ended.
async fn live(plan: Rc<Plan>, truth: Shared, needed: Offset) {
    let log = open(&plan).await;
    judge_opened(&plan, &log, &truth, needed).await;
    if truth.borrow().history.has_open_transaction(TRANSACTIONAL) {
        end_transaction(&log, &mut truth.borrow_mut(), false, true).expect("its own epoch");
    }
    let mut prng = Prng::new(plan.seed * 1000 + truth.borrow().lives);
    let mut random = || Prng::new(prng.next_u64());
    rt::spawn(flush(log.clone(), truth.clone())).detach();
    rt::spawn(clean(plan.clone(), log.clone(), truth.clone(), random())).detach();
    rt::spawn(read(plan.clone(), log.clone(), truth.clone(), random())).detach();
    loop {
        for _ in 0..=prng.below(6) {
            append(&plan, &log, &truth, &mut prng).expect("in sequence");
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
            end_transaction(&log, &mut truth.borrow_mut(), true, false).expect("its own epoch");
        }
        log.sync().await.unwrap();
        log.roll(rt::unix_ms());
        append(&plan, &log, &truth, &mut Prng::new(plan.seed)).expect("in sequence");
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
        judge(&plan, &truth.borrow(), &read, 0, (0, stable), rt::unix_ms());
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
        append(&plan, &log, &truth, &mut prng).expect("in sequence");
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
