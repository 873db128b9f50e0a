//! Whole lives of a log, with everything at once: producers of all kinds, rolls, compaction, retention,
//! deleted records, settings that change meanwhile, a disk that fails, kills and losses of power.
//! What was promised holds, what was given up stays away, and nothing else is ever gone.

mod life;
mod upkeep;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::log::{Means, verify};
use ringmain::model::DurabilityLevel;
use ringmain::rt::sim::{CrashKind, DiskOp, Fault, FaultRule, HostId, Sim, SimOptions};
use ringmain::rt::{self, file};

use crate::cleaning::plan::{CHECKPOINT, DIR, Plan};
use crate::cleaning::producing::append;
use crate::cleaning::truth::{Shared, judge_opened};
use crate::seeds::{each, seeds, talk};
use crate::support::empty_dir;
use life::{Life, Outcome};

/// The faults of a disk that a life may meet; each is met once, somewhere.
const FAULTS: [(DiskOp, &str); 8] = [
    (DiskOp::Write, ".log"),
    (DiskOp::Sync, ".log"),
    (DiskOp::Write, ".cleaned"),
    (DiskOp::Rename, "t-0"),
    (DiskOp::SyncDir, "t-0"),
    (DiskOp::Allocate, ".log"),
    (DiskOp::Truncate, ".log"),
    (DiskOp::Sync, "index"),
];

/// Whatever befalls the machine before the life that runs on it ends.
async fn befall(sim: &Sim, host: HostId, prng: &mut Prng) {
    let disk = sim.disk(host);
    if prng.chance(1, 3) {
        let (op, path) = FAULTS[prng.below(FAULTS.len() as u64) as usize];
        disk.inject(FaultRule::new(op, Fault::Eio).on(path).after(prng.below(20)));
    }
    rt::sleep(Duration::from_micros(2_000 + prng.below(120_000))).await;
}

fn run(seed: u64) -> (Outcome, u64) {
    let mut prng = Prng::new(seed);
    let plan = Rc::new(life::draw(seed, &mut prng));
    let sim = Sim::with_options(seed, SimOptions { talk: talk(), ..SimOptions::default() });
    let host = sim.add_host("broker");
    sim.disk(host).install_dir(Path::new("/data")).unwrap();
    let (truth, outcome) = (Shared::default(), Rc::new(Outcome::default()));
    sim.run(async {
        let mut needed = 0;
        for number in 0..1 + prng.below(4) {
            let life = Life::new(&plan, &truth, &outcome, needed);
            sim.start(host, 1, |_| life.clone().live());
            befall(&sim, host, &mut prng).await;
            let power = prng.chance(1, 2);
            sim.crash(host, if power { CrashKind::PowerLoss } else { CrashKind::ProcessKill });
            sim.disk(host).clear_faults();
            if std::env::var_os("RINGMAIN_KEEP").is_some() {
                // What the next life finds, for looking at a seed that failed.
                copy_out(&sim, host, &format!("life-{seed}-{number}"));
            }
            let mut truth = truth.borrow_mut();
            if power {
                truth.written = truth.synced;
            }
            needed = truth.written;
        }
        end_in_order(&sim, host, &plan, &truth, &outcome, needed).await;
    });
    inspect(&sim, host, seed);
    outcome.cleaned.set(truth.borrow().cleaned);
    (Rc::unwrap_or_clone(outcome), sim.trace_hash())
}

/// The last life has its upkeep done and closes, and the next finds it as it was.
async fn end_in_order(
    sim: &Sim,
    host: HostId,
    plan: &Rc<Plan>,
    truth: &Shared,
    outcome: &Rc<Outcome>,
    needed: i64,
) {
    let life = Life::new(plan, truth, outcome, needed);
    sim.spawn(host, async move {
        let (plan, truth) = (&life.plan, &life.truth);
        let log = life.open().await;
        append(plan, &log, truth, &mut Prng::new(plan.seed)).expect("in sequence");
        log.sync().await.expect("the disk works");
        log.set_high_watermark(log.end_offset());
        rt::sleep(Duration::from_millis(50)).await;
        life.keep(&log).await.expect("the disk works");
        if log.settings().compaction.is_some() {
            truth.borrow_mut().tried += 1;
            while log.clean(&Means::default()).await.expect("it can be cleaned").is_some() {
                truth.borrow_mut().cleaned += 1;
            }
        }
        upkeep::retain_to_the_last(&life, &log).await;
        let end = truth.borrow().history.end();
        let entry = log.close().await.expect("it closes");
        truth.borrow_mut().start_kept = entry.log_start_offset;
        let bytes = ringmain::log::checkpoint::encode(&vec![entry]);
        file::write_whole(Path::new(CHECKPOINT), &bytes).await.unwrap();
        let log = life.reopen().await;
        assert_eq!(log.recovered().scanned_bytes, 0, "a clean log is not scanned");
        judge_opened(plan, &log, truth, end).await;
        log.close().await.expect("it closes");
    })
    .await;
}

/// Copies the log's files out of the simulation.
fn copy_out(sim: &Sim, host: HostId, name: &str) -> PathBuf {
    let disk = sim.disk(host);
    let dir = empty_dir(name);
    for entry in disk.list(Path::new(DIR)).unwrap_or_default() {
        let bytes = disk.read(&Path::new(DIR).join(&entry.name)).unwrap();
        std::fs::write(dir.join(&entry.name), bytes).unwrap();
    }
    dir
}

/// All files agree with each other.
fn inspect(sim: &Sim, host: HostId, seed: u64) {
    let dir = copy_out(sim, host, &format!("life-{seed}"));
    let mut faults = verify(&dir).unwrap();
    // What is no damage is what was given up: removed files before their time, and what a segment
    // still has of records below the log's start.
    faults.retain(|fault| fault.is_damage);
    assert_eq!(faults, [], "seed {seed}");
    match std::env::var_os("RINGMAIN_LEAVE") {
        // Somebody wants to see it (scripts/dump-left).
        Some(place) => {
            let kept = Path::new(&place).join(format!("life-{seed}"));
            if kept.exists() {
                std::fs::remove_dir_all(&kept).unwrap();
            }
            std::fs::rename(&dir, kept).unwrap();
        }
        None => std::fs::remove_dir_all(dir).unwrap(),
    }
}

/// A fourth of the seeds, so that the parts run beside each other.
fn check_part(part: u64) {
    let sum = Outcome::default();
    let mut runs = 0;
    each(seeds(500).filter(|seed| seed % 4 == part), |seed| {
        let (outcome, trace) = run(seed);
        sum.add(&outcome);
        runs += 1;
        trace
    });
    println!("{runs} lives: {sum:?}");
    let enough = |count: u64| runs < 100 || count >= runs / 20;
    let (cleaned, failed) = (sum.cleaned.get(), sum.failed.get());
    assert!(enough(cleaned), "little was cleaned: {sum:?}");
    assert!(enough(sum.aged.get()) && enough(sum.outgrown.get()), "little was retained: {sum:?}");
    assert!(enough(sum.deleted.get()), "little was deleted: {sum:?}");
    assert!(enough(sum.recycled.get()), "little was written again: {sum:?}");
    assert!(enough(failed), "the disk was too good: {sum:?}");
}

#[test]
fn what_was_promised_holds_all_life_long_first_part() {
    check_part(0);
}

#[test]
fn what_was_promised_holds_all_life_long_second_part() {
    check_part(1);
}

#[test]
fn what_was_promised_holds_all_life_long_third_part() {
    check_part(2);
}

#[test]
fn what_was_promised_holds_all_life_long_fourth_part() {
    check_part(3);
}

/// The level at which offsets count as promised.
fn promised(level: DurabilityLevel, log: &ringmain::log::Log) -> i64 {
    match level {
        DurabilityLevel::Relaxed => log.end_offset(),
        DurabilityLevel::Written => log.progress().written_offset,
        DurabilityLevel::Synced => log.progress().synced_offset,
    }
}
