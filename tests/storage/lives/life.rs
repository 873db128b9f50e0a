//! One life: a log is opened and judged, and then everybody is at work on it until the machine ends.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::log::{AppendError, Budget, Error, Limits, Log, LogSettings, Means, ReadError};
use ringmain::log::{TimestampType, checkpoint};
use ringmain::model::{DurabilityLevel, Offset};
use ringmain::rt::{self, file};
use ringmain::wire::batch::Batches;
use ringmain::wire::compression::Codec;

use super::{promised, upkeep};
use crate::cleaning::plan::{CHECKPOINT, DIR, Plan, TRANSACTIONAL};
use crate::cleaning::producing::{append, end_transaction};
use crate::cleaning::truth::{Shared, judge_opened};
use crate::keyed::committed;
use crate::support::{TOPIC, bytes_of};

/// What happened in the lives of a seed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub cleaned: Cell<u64>,
    /// Segments gone by age, by size, by request.
    pub aged: Cell<u64>,
    pub outgrown: Cell<u64>,
    pub deleted: Cell<u64>,
    /// Lives in which the log went offline.
    pub failed: Cell<u64>,
    /// Files of deleted segments that were written again.
    pub recycled: Cell<u64>,
}

pub fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

impl Outcome {
    pub fn add(&self, other: &Outcome) {
        let both = |a: &Cell<u64>, b: &Cell<u64>| a.set(a.get() + b.get());
        both(&self.cleaned, &other.cleaned);
        both(&self.aged, &other.aged);
        both(&self.outgrown, &other.outgrown);
        both(&self.deleted, &other.deleted);
        both(&self.failed, &other.failed);
        both(&self.recycled, &other.recycled);
    }
}

/// A compacted log's plan, with more that can be set.
pub fn draw(seed: u64, prng: &mut Prng) -> Plan {
    let mut plan = Plan::new(seed, prng);
    plan.settings.durability = [
        DurabilityLevel::Relaxed,
        DurabilityLevel::Written,
        DurabilityLevel::Synced,
        DurabilityLevel::Synced,
    ][prng.below(4) as usize];
    plan.settings = redraw(&plan, prng);
    plan
}

/// Other settings of the topic, but for those that the judge goes by.
fn redraw(plan: &Plan, prng: &mut Prng) -> LogSettings {
    let compaction = Plan::new(plan.seed, &mut Prng::new(plan.seed)).settings.compaction;
    let deletes = prng.chance(1, 2);
    let codec = Codec::ALL[prng.below(5) as usize];
    LogSettings {
        compaction: compaction.filter(|_| prng.chance(2, 3)),
        retention_ms: if deletes { [-1, 15, 60][prng.below(3) as usize] } else { -1 },
        retention_bytes: if deletes { [-1, 3_000, 30_000][prng.below(3) as usize] } else { -1 },
        segment_ms: [i64::MAX, 20][prng.below(2) as usize],
        compression: prng.chance(1, 3).then(|| codec.into()),
        flush_messages: [i64::MAX, 7][prng.below(2) as usize],
        preallocate: prng.chance(1, 3),
        segments_recycled_max: [0, 0, 1, 2][prng.below(4) as usize],
        timestamp_type: TimestampType::CreateTime,
        ..plan.settings
    }
}

#[derive(Clone)]
pub struct Life {
    pub plan: Rc<Plan>,
    pub truth: Shared,
    pub outcome: Rc<Outcome>,
    needed: Offset,
}

impl Life {
    pub fn new(plan: &Rc<Plan>, truth: &Shared, outcome: &Rc<Outcome>, needed: Offset) -> Life {
        let (plan, truth, outcome) = (plan.clone(), truth.clone(), outcome.clone());
        Life { plan, truth, outcome, needed }
    }

    pub async fn reopen(&self) -> Rc<Log> {
        let plan = &self.plan;
        let budget = Budget::new(Limits { cache_bytes: plan.cache_bytes, ..Limits::default() });
        let bytes = file::read_whole(Path::new(CHECKPOINT)).await.unwrap_or_default();
        let known = checkpoint::decode(&bytes).unwrap_or_default();
        let dir = Path::new(DIR);
        match Log::open_or_create(dir, TOPIC, plan.settings, &budget, known.first()).await {
            Ok(log) => log,
            Err(error) => {
                // What a fault kept from being opened stays so until the machine ends.
                count(&self.outcome.failed);
                assert!(error.to_string().contains("os error 5"), "{error}");
                std::future::pending().await
            }
        }
    }

    pub async fn open(&self) -> Rc<Log> {
        let log = self.reopen().await;
        judge_opened(&self.plan, &log, &self.truth, self.needed).await;
        if self.truth.borrow().history.has_open_transaction(TRANSACTIONAL) {
            let ended = end_transaction(&log, &mut self.truth.borrow_mut(), false, true);
            self.allow(&log, ended);
        }
        log
    }

    /// A batch may be refused only by a log that is offline.
    fn allow(&self, log: &Log, appended: Result<(), AppendError>) {
        match appended {
            Ok(()) => {}
            Err(AppendError::Offline(_)) => assert!(log.failure().is_some()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Writes down how far the log is safe, and what of it is gone for good.
    pub async fn keep(&self, log: &Log) -> Result<(), Error> {
        log.checkpoint().await?;
        let entry = log.checkpoint_entry();
        let bytes = checkpoint::encode(&vec![entry.clone()]);
        if file::write_whole(Path::new(CHECKPOINT), &bytes).await.is_ok() {
            log.note_checkpoint(&entry);
            let mut truth = self.truth.borrow_mut();
            truth.start_kept = truth.start_kept.max(entry.log_start_offset);
        }
        Ok(())
    }

    pub async fn live(self) {
        let log = self.open().await;
        let mut prng = Prng::new(self.plan.seed * 1000 + self.truth.borrow().lives);
        let mut random = || Prng::new(prng.next_u64());
        rt::spawn(self.clone().flush(log.clone())).detach();
        rt::spawn(self.clone().clean(log.clone(), random())).detach();
        rt::spawn(self.clone().read(log.clone(), random())).detach();
        rt::spawn(upkeep::go_on(self.clone(), log.clone(), random())).detach();
        rt::spawn(self.clone().retune(log.clone(), random())).detach();
        while log.failure().is_none() {
            let recycled = log.recycled();
            for _ in 0..=prng.below(6) {
                let appended = append(&self.plan, &log, &self.truth, &mut prng);
                self.allow(&log, appended);
            }
            self.outcome.recycled.set(self.outcome.recycled.get() + log.recycled() - recycled);
            match prng.below(10) {
                0 => log.roll(rt::unix_ms()),
                1..8 => rt::sleep(Duration::from_micros(prng.below(6_000))).await,
                _ => rt::yield_now().await,
            }
        }
        count(&self.outcome.failed);
        std::future::pending::<()>().await;
    }

    async fn flush(self, log: Rc<Log>) {
        loop {
            while log.is_dirty() {
                let Ok(progress) = log.flush_step().await else { return };
                let mut truth = self.truth.borrow_mut();
                truth.written = progress.written_offset;
                truth.synced = progress.synced_offset;
                log.set_high_watermark(promised(self.plan.settings.durability, &log));
            }
            rt::sleep(Duration::from_micros(100)).await;
        }
    }

    async fn retune(self, log: Rc<Log>, mut prng: Prng) {
        loop {
            rt::sleep(Duration::from_micros(prng.below(60_000))).await;
            log.set_settings(redraw(&self.plan, &mut prng));
        }
    }

    async fn clean(self, log: Rc<Log>, mut prng: Prng) {
        let means = Means::default();
        means.memory_bytes.set(self.plan.memory_bytes);
        loop {
            rt::sleep(Duration::from_micros(prng.below(4_000))).await;
            if prng.chance(2, 3) {
                let _ = log.prepare_checkpoint().await;
                let _ = self.keep(&log).await;
            }
            let before = log.cleaned_offset();
            if log.settings().compaction.is_some() {
                self.truth.borrow_mut().tried += 1;
            }
            match log.clean(&means).await {
                Ok(None) => {}
                Ok(Some(end)) => {
                    assert!(end > before, "it gets on");
                    self.truth.borrow_mut().cleaned += 1;
                }
                Err(error) => {
                    let is_fault = error.to_string().contains("os error 5");
                    assert!(is_fault, "{error}");
                }
            }
        }
    }

    /// A reader of committed records, from anywhere to the end.
    async fn read(self, log: Rc<Log>, mut prng: Prng) {
        loop {
            rt::sleep(Duration::from_micros(prng.below(20_000))).await;
            let (start, stable) = (log.log_start_offset(), log.last_stable_offset());
            let mut offset = start + prng.below((stable - start).max(0) as u64 + 1) as Offset;
            while offset < stable {
                let plan = match log.read(offset, 2_000 + prng.below(8_000), stable, true).await {
                    Ok(plan) => plan,
                    // It was given up since.
                    Err(ReadError::OutOfRange { .. }) if offset < log.log_start_offset() => break,
                    Err(ReadError::Offline(_)) if log.failure().is_some() => return,
                    Err(error) => panic!("at {offset} of {stable}: {error:?}"),
                };
                assert!(plan.next_offset > offset, "it gets on");
                let aborted = log.aborted_transactions(offset, plan.next_offset);
                let bytes = bytes_of(&plan).await;
                let batches: Vec<Vec<u8>> = Batches::new(&bytes)
                    .map(|batch| {
                        let batch = batch.expect("whole");
                        batch.check_crc().expect("as it was made");
                        batch.bytes.to_vec()
                    })
                    .collect();
                let truth = self.truth.borrow();
                for shown in committed(&batches, aborted) {
                    let (original, fate) = truth.history.record_at(shown.offset);
                    assert_eq!(&shown, original);
                    assert_eq!(fate, Some(true), "shown, and not committed: {shown:?}");
                }
                offset = plan.next_offset;
            }
        }
    }
}
