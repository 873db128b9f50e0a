//! A log that is deleted from at the front while it grows at the end, on a disk that is full now and
//! then, killed and cut off at any moment: what was acknowledged and not deleted is there, and
//! nothing but room is ever in its way.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::log::{
    AppendError, Budget, Limits, Log, LogSettings, Origin, Records, checkpoint, checkpoint::Entry,
};
use ringmain::model::{DurabilityLevel, LeaderEpoch, Offset};
use ringmain::rt::sim::{CrashKind, Sim, SimOptions};
use ringmain::rt::{self, file};

use crate::seeds::{seeds, talk};
use crate::support::{NOW, TOPIC, batch, read_all};

const DIR: &str = "/data/t-0";
const CHECKPOINT: &str = "/data/checkpoint";
const ROOM: u64 = 1 << 40;

/// What must be true, kept outside of the simulated machine.
#[derive(Default)]
struct Truth {
    /// Every batch appended, with its offset; cut to what survived.
    batches: Vec<(Offset, Vec<u8>)>,
    end: Offset,
    written: Offset,
    synced: Offset,
    /// Records below were given up, and those below this much for good.
    start: Offset,
    start_kept: Offset,
    /// Batches that were refused for lack of room.
    refused: usize,
}

type Shared = Rc<RefCell<Truth>>;

struct Plan {
    seed: u64,
    settings: LogSettings,
    cache_bytes: usize,
}

/// Opens it as soon as there is room for that.
async fn open(plan: &Plan) -> Rc<Log> {
    let budget = Budget::new(Limits { cache_bytes: plan.cache_bytes, ..Limits::default() });
    let bytes = file::read_whole(Path::new(CHECKPOINT)).await.unwrap_or_default();
    let known = checkpoint::decode(&bytes).unwrap_or_default();
    loop {
        let opened =
            Log::open_or_create(Path::new(DIR), TOPIC, plan.settings, &budget, known.first()).await;
        match opened {
            Ok(log) => return log,
            Err(error) => assert!(error.is_disk_full(), "{error}"),
        }
        rt::sleep(Duration::from_millis(10)).await;
    }
}

/// Keeps the entry, if there is room.
async fn keep(entry: Entry, truth: &Shared) {
    let start = entry.log_start_offset;
    if file::write_whole(Path::new(CHECKPOINT), &checkpoint::encode(&vec![entry])).await.is_ok() {
        let mut truth = truth.borrow_mut();
        truth.start_kept = truth.start_kept.max(start);
    }
}

async fn judge(log: &Log, truth: &Shared, needed: Offset) {
    let (start, end) = (log.log_start_offset(), log.end_offset());
    let survived = read_all(log, 50_000).await;
    let mut truth = truth.borrow_mut();
    assert!(end >= needed, "lost: {end} of {needed} acknowledged");
    assert!(end <= truth.end, "more than was ever appended");
    assert!(start <= truth.start, "gone: {start}, but only {} was given up", truth.start);
    assert!(start >= truth.start_kept, "back: {start}, but {} was kept", truth.start_kept);
    truth.batches.retain(|(offset, _)| (start..end).contains(offset));
    assert_eq!(survived.len(), truth.batches.len());
    for ((offset, appended), survived) in truth.batches.iter().zip(&survived) {
        assert!(appended == survived, "other bytes at {offset}");
    }
    truth.end = end;
    truth.written = end;
    truth.synced = end;
    truth.start = start;
    truth.start_kept = start;
}

async fn flush(log: Rc<Log>, truth: Shared) {
    loop {
        while log.is_dirty() {
            let progress = log.flush_step().await.expect("a full disk is no fault");
            let mut truth = truth.borrow_mut();
            truth.written = progress.written_offset;
            truth.synced = progress.synced_offset;
        }
        rt::sleep(Duration::from_micros(100)).await;
    }
}

fn append(log: &Log, truth: &Shared, random: &mut Prng) {
    let size = if random.chance(1, 8) { 20_000 } else { 1_000 };
    let bytes = batch(1 + random.below(3) as usize, 1 + random.below(size) as usize);
    let mut truth = truth.borrow_mut();
    match log.append(Records::Copy(&bytes), LeaderEpoch(0), NOW, Origin::Client) {
        Ok(appended) => {
            assert_eq!(appended.base_offset, truth.end);
            truth.end = appended.last_offset + 1;
            truth.batches.push((appended.base_offset, bytes));
        }
        Err(AppendError::DiskFull) => truth.refused += 1,
        Err(error) => panic!("{error:?}"),
    }
}

/// Gives up records that are safe at the log's level.
async fn delete(log: &Log, truth: &Shared, random: &mut Prng) {
    let progress = log.progress();
    let safe = match log.settings().durability {
        DurabilityLevel::Synced => progress.synced_offset,
        _ => progress.written_offset,
    };
    let left = (safe - log.log_start_offset()) as u64;
    let to = safe - random.below(left + 1) as Offset;
    let to = {
        let mut truth = truth.borrow_mut();
        // Where a batch begins, for a simple comparison with what is read.
        let mut begins = truth.batches.iter().map(|(offset, _)| *offset);
        let to = begins.rfind(|offset| *offset <= to).filter(|_| random.chance(2, 3));
        let to = to.unwrap_or(safe);
        truth.start = truth.start.max(to);
        to
    };
    if let Err(error) = log.delete_before(to).await {
        assert!(error.is_disk_full(), "{error}");
    }
}

async fn live(plan: Rc<Plan>, truth: Shared, needed: Offset, mut random: Prng) {
    let log = open(&plan).await;
    judge(&log, &truth, needed).await;
    rt::spawn(flush(log.clone(), truth.clone())).detach();
    loop {
        for _ in 0..random.below(6) {
            append(&log, &truth, &mut random);
        }
        match random.below(16) {
            0 => log.roll(NOW),
            1 | 2 => delete(&log, &truth, &mut random).await,
            3 => match log.checkpoint().await {
                Ok(entry) => keep(entry, &truth).await,
                Err(error) => assert!(error.is_disk_full(), "{error}"),
            },
            _ => rt::sleep(Duration::from_micros(random.below(2000))).await,
        }
        assert!(log.failure().is_none(), "{:?}", log.failure());
    }
}

/// Batches refused.
fn check(seed: u64) -> usize {
    let mut random = Prng::new(seed ^ 0x5417);
    let mut options = SimOptions { talk: talk(), ..Default::default() };
    if random.chance(1, 2) {
        options.idle_polls_ppm = 50_000;
    }
    let level = match random.below(3) {
        0 => DurabilityLevel::Written,
        _ => DurabilityLevel::Synced,
    };
    let settings = LogSettings {
        segment_bytes: [10_000, 30_000, 200_000][random.below(3) as usize],
        durability: level,
        file_delete_delay_ms: random.below(20),
        segments_recycled_max: (seed % 3) as usize,
        ..LogSettings::default()
    };
    let cache_bytes = [8 << 10, 1 << 20][random.below(2) as usize];
    let plan = Rc::new(Plan { seed, settings, cache_bytes });
    let sim = Sim::with_options(seed, options);
    let host = sim.add_host("broker");
    let disk = sim.disk(host);
    disk.install_dir(Path::new("/data")).expect("an empty disk");
    let truth = Shared::default();
    sim.run(async {
        let mut needed = 0;
        for life in 0..2 + random.below(4) {
            let fork = Prng::new(plan.seed << 8 | life);
            sim.start(host, 1, |_| live(plan.clone(), truth.clone(), needed, fork.clone()));
            for _ in 0..random.below(4) {
                rt::sleep(Duration::from_micros(random.below(20_000))).await;
                disk.set_capacity(disk.used() + random.below(100_000));
                rt::sleep(Duration::from_micros(random.below(1_000_000))).await;
                disk.set_capacity(ROOM);
            }
            rt::sleep(Duration::from_micros(random.below(20_000))).await;
            let power = random.chance(1, 2);
            sim.crash(host, if power { CrashKind::PowerLoss } else { CrashKind::ProcessKill });
            let mut truth = truth.borrow_mut();
            if power {
                truth.written = truth.synced;
            }
            needed = truth.written;
        }
        let (plan, truth) = (plan.clone(), truth.clone());
        sim.spawn(host, async move {
            let log = open(&plan).await;
            judge(&log, &truth, needed).await;
            append(&log, &truth, &mut Prng::new(plan.seed));
            keep(log.close().await.expect("it closes"), &truth).await;
            let end = truth.borrow().end;
            judge(&*open(&plan).await, &truth, end).await;
        })
        .await;
    });
    truth.borrow().refused
}

#[test]
fn what_is_not_deleted_is_there_whatever_happens() {
    let refused: usize = seeds(120).map(check).sum();
    assert!(refused > 0, "the disk was never full");
}
