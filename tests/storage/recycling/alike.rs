//! Two partitions of one core that are written alike, so that their files hold the same offsets at the same
//! places, whose segments are deleted and written again, and that are killed and cut off at any moment:
//! what a file held before is never taken for what was appended.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::log::{Budget, Limits, Log, LogSettings, Origin, Records, checkpoint};
use ringmain::model::{DurabilityLevel, LeaderEpoch, Offset};
use ringmain::rt::sim::{CrashKind, Sim, SimOptions};
use ringmain::rt::{self, file};

use crate::seeds::{seeds, talk};
use crate::support::{NOW, TOPIC, batch, read_all};

/// What must be true of one partition, kept outside of the simulated machine.
#[derive(Default)]
struct Truth {
    batches: Vec<(Offset, Vec<u8>)>,
    end: Offset,
    written: Offset,
    synced: Offset,
    start: Offset,
    start_kept: Offset,
    recycled: u64,
}

struct Side {
    name: &'static str,
    /// Of a hundred turns.
    turns: u64,
    truth: RefCell<Truth>,
}

struct Plan {
    settings: LogSettings,
    /// Bytes of a record, or any.
    record_bytes: Option<usize>,
    sides: [Side; 2],
}

impl Side {
    fn dir(&self) -> PathBuf {
        Path::new("/data").join(self.name)
    }

    fn checkpoint(&self) -> PathBuf {
        Path::new("/data").join(format!("{}.checkpoint", self.name))
    }

    async fn open(&self, plan: &Plan, budget: &Rc<Budget>) -> Rc<Log> {
        let bytes = file::read_whole(&self.checkpoint()).await.unwrap_or_default();
        let known = checkpoint::decode(&bytes).unwrap_or_default();
        let (dir, known) = (self.dir(), known.first());
        let opened = Log::open_or_create(&dir, TOPIC, plan.settings, budget, known).await;
        let log = opened.expect("it recovers");
        self.judge(&log).await;
        log
    }

    async fn judge(&self, log: &Log) {
        let survived = read_all(log, 50_000).await;
        let mut truth = self.truth.borrow_mut();
        let (start, end, needed) = (log.log_start_offset(), log.end_offset(), truth.written);
        assert!(end >= needed, "lost: {end} of {needed} acknowledged");
        assert!(end <= truth.end, "more than was ever appended: {end} of {}", truth.end);
        assert!((truth.start_kept..=truth.start).contains(&start));
        truth.batches.retain(|(offset, _)| (start..end).contains(offset));
        assert_eq!(survived.len(), truth.batches.len());
        for ((offset, appended), survived) in truth.batches.iter().zip(&survived) {
            assert!(appended == survived, "other bytes at {offset} of {}", self.name);
        }
        (truth.end, truth.written, truth.synced) = (end, end, end);
        (truth.start, truth.start_kept) = (start, start);
    }

    fn append(&self, log: &Log, plan: &Plan, random: &mut Prng) {
        let any = 1 + random.below(3_000) as usize;
        let bytes = batch(1, plan.record_bytes.unwrap_or(any));
        let appended = log.append(Records::Copy(&bytes), LeaderEpoch(0), NOW, Origin::Client);
        let mut truth = self.truth.borrow_mut();
        let appended = appended.expect("there is room");
        assert_eq!(appended.base_offset, truth.end);
        truth.end = appended.last_offset + 1;
        truth.batches.push((appended.base_offset, bytes));
    }

    async fn delete(&self, log: &Log, random: &mut Prng) {
        let safe = log.progress().synced_offset;
        let to = safe - random.below(10).min((safe - log.log_start_offset()) as u64) as Offset;
        {
            let mut truth = self.truth.borrow_mut();
            truth.start = truth.start.max(to);
        }
        log.delete_before(to).await.expect("the disk works");
    }

    async fn keep(&self, log: &Log) {
        let entry = log.checkpoint().await.expect("the disk works");
        let start = entry.log_start_offset;
        let bytes = checkpoint::encode(&vec![entry]);
        file::write_whole(&self.checkpoint(), &bytes).await.expect("the disk works");
        let mut truth = self.truth.borrow_mut();
        truth.start_kept = truth.start_kept.max(start);
    }
}

async fn flush(plan: Rc<Plan>, side: usize, log: Rc<Log>) {
    loop {
        while log.is_dirty() {
            let progress = log.flush_step().await.expect("the disk works");
            let mut truth = plan.sides[side].truth.borrow_mut();
            (truth.written, truth.synced) = (progress.written_offset, progress.synced_offset);
        }
        rt::sleep(Duration::from_micros(100)).await;
    }
}

async fn live(plan: Rc<Plan>, mut random: Prng) {
    let budget = Budget::new(Limits { cache_bytes: 64 << 10, ..Limits::default() });
    let mut logs = Vec::new();
    for (number, side) in plan.sides.iter().enumerate() {
        let log = side.open(&plan, &budget).await;
        rt::spawn(flush(plan.clone(), number, log.clone())).detach();
        logs.push(log);
    }
    loop {
        for (side, log) in plan.sides.iter().zip(&logs) {
            let before = log.recycled();
            if random.below(100) < side.turns {
                for _ in 0..random.below(8) {
                    side.append(log, &plan, &mut random);
                }
            }
            match random.below(20) {
                0 => side.keep(log).await,
                1..4 => side.delete(log, &mut random).await,
                4 => log.roll(NOW),
                _ => rt::sleep(Duration::from_micros(random.below(1500))).await,
            }
            side.truth.borrow_mut().recycled += log.recycled() - before;
        }
    }
}

/// Files that were written again.
fn check(seed: u64) -> u64 {
    let mut random = Prng::new(seed ^ 0x2EC7);
    let level = [DurabilityLevel::Written, DurabilityLevel::Synced][random.below(2) as usize];
    let settings = LogSettings {
        segment_bytes: [10_000, 20_480][random.below(2) as usize],
        durability: level,
        file_delete_delay_ms: random.below(3),
        segments_recycled_max: 1 + random.below(2) as usize,
        ..LogSettings::default()
    };
    // Batches of a fourth of a sector: where one ends, another one may have begun before.
    let aligned = (1..1024).find(|&bytes| batch(1, bytes).len() == 1024);
    let record_bytes = aligned.filter(|_| random.chance(2, 3));
    let side = |name, turns| Side { name, turns, truth: RefCell::default() };
    let sides = [side("t-0", 80), side("t-1", 40)];
    let plan = Rc::new(Plan { settings, record_bytes, sides });
    let sim = Sim::with_options(seed, SimOptions { talk: talk(), ..SimOptions::default() });
    let host = sim.add_host("broker");
    sim.disk(host).install_dir(Path::new("/data")).expect("an empty disk");
    sim.run(async {
        for life in 0..2 + random.below(3) {
            let fork = Prng::new(seed << 8 | life);
            sim.start(host, 1, |_| live(plan.clone(), fork.clone()));
            rt::sleep(Duration::from_micros(20_000 + random.below(100_000))).await;
            let power = random.chance(1, 2);
            sim.crash(host, if power { CrashKind::PowerLoss } else { CrashKind::ProcessKill });
            for side in plan.sides.iter().filter(|_| power) {
                let mut truth = side.truth.borrow_mut();
                truth.written = truth.synced;
            }
        }
        let plan = plan.clone();
        sim.spawn(host, async move {
            let budget = Budget::new(Limits::default());
            for side in &plan.sides {
                side.open(&plan, &budget).await.close().await.expect("it closes");
                side.open(&plan, &budget).await;
            }
        })
        .await;
    });
    plan.sides.iter().map(|side| side.truth.borrow().recycled).sum()
}

#[test]
fn what_a_file_held_before_is_never_taken_for_what_was_appended() {
    let mut runs = 0;
    let recycled: u64 = seeds(200).inspect(|_| runs += 1).map(check).sum();
    println!("{runs} runs, {recycled} files written again");
    assert!(recycled > runs, "little was written again: {recycled} in {runs} runs");
}
