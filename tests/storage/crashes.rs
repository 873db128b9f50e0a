//! A log that is killed and loses power at any moment: nothing that was acknowledged at its level
//! is lost, nothing else is served, no acknowledged offset is given out again.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::buf::Buf;
use ringmain::base::prng::Prng;
use ringmain::log::{Budget, Limits, Log, LogSettings, Origin, Records, checkpoint};
use ringmain::model::{DurabilityLevel, LeaderEpoch, Offset};
use ringmain::rt::sim::{CrashKind, DiskOp, Fault, FaultRule, HostId, Sim};
use ringmain::rt::{self, file};
use ringmain::wire::batch::BatchHeader;
use ringmain::wire::record::BatchFields;

use crate::seeds::seeds;
use crate::support::{NOW, TOPIC, World, batch_of, read_all};

const DIR: &str = "/data/t-0";
const CHECKPOINT: &str = "/data/checkpoint";

/// What must be true, kept outside of the simulated machine.
#[derive(Default)]
struct Truth {
    /// Every batch appended, as it was produced, with the offset it got; cut to what survived.
    batches: Vec<(Offset, Vec<u8>)>,
    end: Offset,
    written: Offset,
    synced: Offset,
    next_sequence: i32,
    epoch: i32,
    lives: u32,
}

struct Plan {
    seed: u64,
    level: DurabilityLevel,
    segment_bytes: u64,
    cache_bytes: usize,
    /// No roll and no checkpoint on the way: what is written stays unsynced until the end.
    calm: bool,
}

impl Plan {
    fn settings(&self) -> LogSettings {
        LogSettings {
            segment_bytes: self.segment_bytes,
            durability: self.level,
            ..LogSettings::default()
        }
    }
}

async fn open(plan: &Plan) -> Rc<Log> {
    let limits = Limits { cache_bytes: plan.cache_bytes, ..Limits::default() };
    let budget = Budget::new(limits);
    let dir = Path::new(DIR);
    if !file::exists(&dir.join("partition.metadata")).await.unwrap() {
        return Log::create(dir, TOPIC, plan.settings(), &budget).await.unwrap();
    }
    let bytes = file::read_whole(Path::new(CHECKPOINT)).await.unwrap_or_default();
    let entries = checkpoint::decode(&bytes).unwrap_or_default();
    Log::open(dir, plan.settings(), &budget, entries.first()).await.expect("it recovers")
}

async fn keep(entry: checkpoint::Entry) {
    let bytes = checkpoint::encode(&vec![entry]);
    file::write_whole(Path::new(CHECKPOINT), &bytes).await.expect("the disk works");
}

/// What survived must be a prefix of what was appended, at least up to `needed`.
async fn judge(log: &Log, truth: &RefCell<Truth>, needed: Offset) {
    let end = log.end_offset();
    assert!(end >= needed, "lost: {end} of {needed} acknowledged");
    let survived = read_all(log, 50_000).await;
    let mut truth = truth.borrow_mut();
    assert!(end <= truth.end, "more than was ever appended");
    let before = truth.batches.len();
    truth.batches.retain(|(offset, _)| *offset < end);
    assert_eq!(survived.len(), truth.batches.len(), "of {before}");
    for ((offset, appended), survived) in truth.batches.iter().zip(&survived) {
        assert!(appended == survived, "other bytes at {offset}");
    }
    truth.end = end;
    truth.written = end;
    truth.synced = end;
    truth.lives += 1;
    truth.epoch += 1;
}

/// One life of a broker: recovers, is judged, then appends until it is ended.
async fn live(plan: Rc<Plan>, truth: Rc<RefCell<Truth>>, needed: Offset) {
    let log = open(&plan).await;
    judge(&log, &truth, needed).await;
    retry_last(&log, &truth);
    let mut prng = Prng::new(plan.seed * 1000 + u64::from(truth.borrow().lives));
    rt::spawn(flush(log.clone(), truth.clone())).detach();
    loop {
        for _ in 0..=prng.below(6) {
            append(&log, &truth, &mut prng);
        }
        match prng.below(12) {
            0 if !plan.calm => log.roll(NOW),
            1 if !plan.calm => {
                if let Ok(entry) = log.checkpoint().await {
                    keep(entry).await;
                }
            }
            0..6 => rt::sleep(Duration::from_micros(prng.below(3000))).await,
            _ => rt::yield_now().await,
        }
    }
}

fn append(log: &Log, truth: &RefCell<Truth>, prng: &mut Prng) {
    let mut truth = truth.borrow_mut();
    let size = if prng.chance(1, 8) { 50_000 } else { 600 };
    let count = 1 + prng.below(4) as usize;
    let fields = BatchFields {
        producer_id: 5,
        producer_epoch: 0,
        base_sequence: truth.next_sequence,
        ..BatchFields::default()
    };
    let bytes = batch_of(fields, count, 1 + prng.below(size) as usize);
    let records = if prng.chance(1, 2) {
        let start = log.adoption_start();
        let mut buf = Buf::with_capacity(start + bytes.len());
        buf.set_len(start);
        buf.extend_from_slice(&bytes);
        Records::Adopt { buf, start }
    } else {
        Records::Copy(&bytes)
    };
    let epoch = LeaderEpoch(truth.epoch);
    let appended = log.append(records, epoch, NOW, Origin::Client).expect("in sequence");
    assert!(!appended.duplicate);
    assert_eq!(appended.base_offset, truth.end);
    truth.next_sequence += count as i32;
    truth.end = appended.last_offset + 1;
    truth.batches.push((appended.base_offset, bytes));
}

/// The producer knows what was recovered: its last batches are duplicates, up to five of them.
fn retry_last(log: &Log, truth: &RefCell<Truth>) {
    let mut truth = truth.borrow_mut();
    for (offset, bytes) in truth.batches.iter().rev().take(5) {
        let appended = log.append(Records::Copy(bytes), LeaderEpoch(9), NOW, Origin::Client);
        let appended = appended.expect("a duplicate is answered");
        assert!(appended.duplicate, "appended again");
        assert_eq!(appended.base_offset, *offset);
    }
    truth.next_sequence = truth.batches.last().map_or(0, |(_, bytes)| {
        let header = BatchHeader::peek(bytes).unwrap();
        header.last_sequence() + 1
    });
}

async fn flush(log: Rc<Log>, truth: Rc<RefCell<Truth>>) {
    loop {
        while log.is_dirty() {
            let progress = log.flush_step().await.expect("the disk works");
            let mut truth = truth.borrow_mut();
            truth.written = progress.written_offset;
            truth.synced = progress.synced_offset;
        }
        rt::sleep(Duration::from_micros(100)).await;
    }
}

fn check(seed: u64) {
    let mut prng = Prng::new(seed);
    let calm = prng.chance(1, 4);
    let level = match calm || prng.chance(1, 2) {
        true => DurabilityLevel::Written,
        false => DurabilityLevel::Synced,
    };
    let plan = Rc::new(Plan {
        seed,
        level,
        segment_bytes: [30_000, 200_000, 4 << 20][if calm { 2 } else { prng.below(3) as usize }],
        cache_bytes: [16 << 10, 1 << 20][prng.below(2) as usize],
        calm,
    });
    let sim = Sim::new(seed);
    let host = sim.add_host("broker");
    sim.disk(host).install_dir(Path::new("/data")).unwrap();
    let truth = Rc::new(RefCell::new(Truth::default()));
    sim.run(async {
        let mut needed = 0;
        for _ in 0..1 + prng.below(6) {
            let main = |_| live(plan.clone(), truth.clone(), needed);
            sim.start(host, 1, main);
            // Some lives end before anything new is synced: what was recovered must be by then.
            let longest = if prng.chance(1, 2) { 40_000 } else { 4_000 };
            rt::sleep(Duration::from_micros(500 + prng.below(longest))).await;
            let power = prng.chance(1, 2);
            sim.crash(host, if power { CrashKind::PowerLoss } else { CrashKind::ProcessKill });
            let mut truth = truth.borrow_mut();
            if power {
                truth.written = truth.synced;
            }
            needed = truth.written;
        }
        end_in_order(&sim, host, &plan, &truth, needed).await;
    });
}

/// The last life closes in order; the next open reads no batch, and everything is there.
async fn end_in_order(
    sim: &Sim,
    host: HostId,
    plan: &Rc<Plan>,
    truth: &Rc<RefCell<Truth>>,
    needed: Offset,
) {
    let (plan, truth) = (plan.clone(), truth.clone());
    sim.spawn(host, async move {
        let log = open(&plan).await;
        judge(&log, &truth, needed).await;
        retry_last(&log, &truth);
        let mut prng = Prng::new(plan.seed);
        for _ in 0..prng.below(20) {
            append(&log, &truth, &mut prng);
        }
        keep(log.close().await.expect("it closes")).await;
        let end = truth.borrow().end;
        let log = open(&plan).await;
        assert_eq!(log.recovered().scanned_bytes, 0, "a clean log is not scanned");
        judge(&log, &truth, end).await;
        retry_last(&log, &truth);
        keep(log.close().await.expect("it closes")).await;
    })
    .await;
}

/// A fourth of the seeds, so that the parts run beside each other.
fn check_part(part: u64) {
    seeds(1000).filter(|seed| seed % 4 == part).for_each(check);
}

#[test]
fn nothing_acknowledged_is_lost_first_part() {
    check_part(0);
}

#[test]
fn nothing_acknowledged_is_lost_second_part() {
    check_part(1);
}

#[test]
fn nothing_acknowledged_is_lost_third_part() {
    check_part(2);
}

#[test]
fn nothing_acknowledged_is_lost_fourth_part() {
    check_part(3);
}

/// The oldest file says where the log begins.
#[test]
fn no_file_of_a_segment_comes_before_those_before_it() {
    World::new(1).run(|world| async move {
        let settings = LogSettings { segment_bytes: 10_000, ..LogSettings::default() };
        let log = world.create("t-0", settings).await;
        let first = "00000000000000000000.log";
        let stall = Fault::Stall(Duration::from_secs(1));
        world.disk().inject(FaultRule::new(DiskOp::Open, stall).on(first));
        for _ in 0..5 {
            let bytes = batch_of(BatchFields::default(), 1, 9_000);
            log.append(Records::Copy(&bytes), LeaderEpoch(0), NOW, Origin::Client).unwrap();
        }
        let _flushing = rt::spawn({
            let log = log.clone();
            async move { log.sync().await }
        });
        let files = || {
            let mut files = world.disk().list(Path::new(DIR)).unwrap();
            files.retain(|file| file.name.ends_with(".log"));
            files.len()
        };
        rt::sleep(Duration::from_millis(500)).await;
        assert_eq!(files(), 0);
        rt::sleep(Duration::from_secs(2)).await;
        assert_eq!(files(), 5);
        log.close().await.unwrap();
    });
}
