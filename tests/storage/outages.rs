//! What the watermarks promise, against what a simulated disk holds after a crash: everything
//! below `written_offset` survives the process, everything below `synced_offset` the power.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::log::{Budget, Limits, Log, LogSettings, Origin, Progress, Records};
use ringmain::model::{DurabilityLevel, LeaderEpoch};
use ringmain::rt;
use ringmain::rt::sim::{CrashKind, Delay, DiskOp, Fault, FaultRule, HostId, Sim, SimOptions};
use ringmain::wire::batch::{self, Batches};

use crate::seeds::{seeds, talk};
use crate::support::{NOW, TOPIC, batch};

const DIR: &str = "/data/t-0";
const EPOCH: LeaderEpoch = LeaderEpoch(3);

/// What was appended and promised before the crash.
#[derive(Default)]
struct Told {
    /// Base offset and bytes, as they must lie on the disk.
    batches: Vec<(i64, Vec<u8>)>,
    progress: Option<Progress>,
    ended: bool,
}

/// Appends batches of all sizes in bursts, while another task flushes.
async fn write(seed: u64, told: Rc<RefCell<Told>>) {
    let mut random = Prng::new(seed);
    let segment_bytes = if random.chance(1, 2) { 20_000 } else { 20_000 << random.below(8) };
    let durability = match random.below(3) {
        0 => DurabilityLevel::Written,
        _ => DurabilityLevel::Synced,
    };
    let settings = LogSettings { segment_bytes, durability, ..LogSettings::default() };
    let budget = Budget::new(Limits { cache_bytes: 256 << 10, ..Limits::default() });
    let log = Log::create(Path::new(DIR), TOPIC, settings, &budget).await.expect("a new log");
    rt::spawn(flush(log.clone(), told.clone())).detach();
    for _ in 0..300 {
        for _ in 0..random.below(6) {
            let size = match random.below(10) {
                0 => 100_000,
                1..4 => 9_000,
                _ => 300,
            };
            let mut bytes = batch(1 + random.below(3) as usize, 1 + random.below(size) as usize);
            let appended = log.append(Records::Copy(&bytes), EPOCH, NOW, Origin::Client);
            let Ok(appended) = appended else {
                assert!(log.failure().is_some() || log.is_disk_full(), "{appended:?}");
                continue;
            };
            batch::stamp(&mut bytes, appended.base_offset, EPOCH.0);
            told.borrow_mut().batches.push((appended.base_offset, bytes));
        }
        let pause = if random.chance(1, 4) { 2_000 } else { 100 };
        rt::sleep(Duration::from_micros(random.below(pause))).await;
    }
    if log.sync().await.is_ok() {
        told.borrow_mut().progress = Some(log.progress());
    }
    told.borrow_mut().ended = true;
    std::future::pending::<()>().await;
}

async fn flush(log: Rc<Log>, told: Rc<RefCell<Told>>) {
    loop {
        while log.is_dirty() {
            let Ok(progress) = log.flush_step().await else { return };
            told.borrow_mut().progress = Some(progress);
        }
        rt::sleep(Duration::from_micros(50)).await;
    }
}

/// Every batch that a scan of the segments finds, up to the first place where none is.
fn scan(sim: &Sim, host: HostId) -> Vec<(i64, Vec<u8>)> {
    let disk = sim.disk(host);
    let mut found: Vec<(i64, Vec<u8>)> = Vec::new();
    let Ok(entries) = disk.list(Path::new(DIR)) else { return found };
    for entry in entries.iter().filter(|entry| entry.name.ends_with(".log")) {
        let base: i64 = entry.name.trim_end_matches(".log").parse().expect("a base offset");
        let next = found.last().map_or(0, |(_, bytes)| next_offset(bytes));
        if base != next {
            break;
        }
        let bytes = disk.read(&Path::new(DIR).join(&entry.name)).expect("listed");
        for batch in Batches::new(&bytes) {
            let Ok(batch) = batch else { break };
            let next = found.last().map_or(0, |(_, bytes)| next_offset(bytes));
            if batch.check_crc().is_err() || batch.header.base_offset() != next {
                break;
            }
            found.push((next, batch.bytes.to_vec()));
        }
    }
    found
}

fn next_offset(bytes: &[u8]) -> i64 {
    Batches::new(bytes).next().expect("one").expect("whole").header.next_offset()
}

fn check(seed: u64, kind: CrashKind, prepare: impl Fn(&Sim, HostId, &mut Prng)) {
    let mut random = Prng::new(seed ^ 0xfeed);
    let mut options = SimOptions { talk: talk(), ..Default::default() };
    if random.chance(1, 2) {
        options.idle_polls_ppm = 100_000;
    }
    options.disk.failed_sync_loses_direct = random.chance(1, 2);
    if random.chance(1, 2) {
        options.disk.write = Delay::between_us(20, 20 << random.below(10));
        options.disk.sync = Delay::between_us(20, 20 << random.below(12));
    }
    let sim = Sim::with_options(seed, options);
    let host = sim.add_host("broker");
    sim.disk(host).install_dir(Path::new("/data")).expect("empty");
    prepare(&sim, host, &mut random);
    let told = Rc::new(RefCell::new(Told::default()));
    sim.start(host, 1, |_| write(seed, told.clone()));
    let crash_at = Duration::from_micros(random.below(100_000));
    sim.run(async {
        let deadline = rt::now() + crash_at;
        while rt::now() < deadline && !told.borrow().ended {
            rt::sleep(Duration::from_micros(100)).await;
        }
    });
    sim.crash(host, kind);
    let told = told.borrow();
    let Some(progress) = told.progress else { return };
    let promised = match kind {
        CrashKind::ProcessKill => progress.written_offset,
        CrashKind::PowerLoss => progress.synced_offset,
    };
    let found = scan(&sim, host);
    let end = found.last().map_or(0, |(_, bytes)| next_offset(bytes));
    assert!(end >= promised, "seed {seed}: {promised} was promised after {kind:?}, {end} is left");
    for (found, appended) in found.iter().zip(&told.batches) {
        assert!(found == appended, "seed {seed}: other bytes at offset {}", appended.0);
    }
    assert!(found.len() <= told.batches.len());
}

#[test]
fn what_is_written_survives_the_process() {
    seeds(60).for_each(|seed| check(seed, CrashKind::ProcessKill, |_, _, _| ()));
}

#[test]
fn what_is_synced_survives_the_power() {
    seeds(150).for_each(|seed| check(seed, CrashKind::PowerLoss, |_, _, _| ()));
}

#[test]
fn after_a_failed_write_or_sync_nothing_is_promised_that_is_not_there() {
    for seed in seeds(80) {
        check(seed, CrashKind::PowerLoss, |sim, host, random| {
            let (op, path, skip) = match random.below(5) {
                0 => (DiskOp::SyncDir, "t-0", 1 + random.below(4)),
                1 | 2 => (DiskOp::Write, ".log", random.below(30)),
                _ => (DiskOp::Sync, ".log", random.below(30)),
            };
            sim.disk(host).inject(FaultRule::new(op, Fault::Eio).on(path).after(skip));
        });
    }
}

#[test]
fn a_full_disk_takes_nothing_back() {
    for seed in seeds(40) {
        check(seed, CrashKind::PowerLoss, |sim, host, random| {
            sim.disk(host).set_capacity(200_000 + random.below(4_000_000));
        });
    }
}

/// A sync of the flush is slow, and that of the segment's finish fails meanwhile: the kernel tells
/// only one of them.
#[test]
fn a_sync_promises_nothing_that_another_one_lost() {
    let mut options = SimOptions::default();
    options.disk.failed_sync_loses_direct = true;
    let sim = Sim::with_options(1, options);
    let host = sim.add_host("broker");
    let disk = sim.disk(host);
    disk.install_dir(Path::new("/data")).expect("empty");
    let stall = Fault::Stall(Duration::from_secs(1));
    disk.inject(FaultRule::new(DiskOp::Sync, stall).on(".log"));
    disk.inject(FaultRule::new(DiskOp::Sync, Fault::Eio).on(".log").after(1));
    let promised = sim.run(sim.spawn(host, async move {
        let (settings, budget) = (LogSettings::default(), Budget::new(Limits::default()));
        let log = Log::create(Path::new(DIR), TOPIC, settings, &budget).await.expect("a new log");
        log.append(Records::Copy(&batch(5, 500)), EPOCH, NOW, Origin::Client).expect("room");
        log.roll(NOW);
        let _ = log.sync().await;
        rt::sleep(Duration::from_secs(2)).await;
        assert!(log.failure().is_some(), "a sync has failed");
        log.progress().synced_offset
    }));
    sim.crash(host, CrashKind::PowerLoss);
    let left = scan(&sim, host).last().map_or(0, |(_, bytes)| next_offset(bytes));
    assert!(left >= promised, "{promised} was promised, {left} is left");
}
