//! What must be true of a compacted log, whatever happened to its machine.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ringmain::log::Log;
use ringmain::model::Offset;
use ringmain::rt;

use super::plan::{IDEMPOTENT, Plan, TRANSACTIONAL};
use crate::keyed::{History, Keyed, batches_of, committed};

/// What must be true, kept outside of the simulated machine.
#[derive(Default)]
pub struct Truth {
    pub history: History,
    pub synced: Offset,
    /// Survives the process.
    pub written: Offset,
    /// How often cleaning was tried, and how often it came to its end.
    pub tried: u64,
    pub cleaned: u64,
    pub lives: u64,
    /// Records below may be gone, because they were deleted; those below the other must be.
    pub given_up: Offset,
    pub start_kept: Offset,
    /// More is being given up by retention, which nobody has judged yet.
    pub is_retaining: bool,
}

pub type Shared = Rc<RefCell<Truth>>;

/// Holds what is read from the whole log, which begins at `start`, against everything that was
/// appended.
pub fn judge(
    plan: &Plan,
    truth: &Truth,
    read: &[Keyed],
    clean: Offset,
    (start, end): (Offset, Offset),
    now_ms: i64,
) {
    assert!(start <= truth.given_up, "begins at {start}, given up to {}", truth.given_up);
    assert!(start >= truth.start_kept, "begins at {start}, deleted to {}", truth.start_kept);
    let below = || truth.history.records(start..end);
    let mut last: BTreeMap<&[u8], &Keyed> = BTreeMap::new();
    for (record, _) in below().filter(|(_, fate)| *fate == Some(true)) {
        last.insert(&record.key, record);
    }
    let mut found: BTreeMap<&[u8], Vec<&Keyed>> = BTreeMap::new();
    for record in read {
        let (original, fate) = truth.history.record_at(record.offset);
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
                assert!(waited >= plan.delete_retention_ms, "told only {waited} ms: {last:?}");
            }
        }
    }
    if truth.tried == 0 {
        let wanted = below().filter(|(_, fate)| *fate == Some(true));
        let read: BTreeSet<Offset> = read.iter().map(|record| record.offset).collect();
        let there = |offset| read.contains(&offset);
        let gone: Vec<Offset> =
            wanted.map(|(record, _)| record.offset).filter(|offset| !there(*offset)).collect();
        assert!(gone.is_empty(), "never cleaned, and gone of {start}..{end}: {gone:?}");
    }
}

/// Everything up to the last stable offset, as a transactional reader sees it.
pub async fn read_committed(log: &Log, max_bytes: u64) -> (Vec<Keyed>, Offset) {
    let (start, end) = (log.log_start_offset(), log.last_stable_offset());
    let batches = batches_of(log, start, end, max_bytes).await;
    let mut records = committed(&batches, log.aborted_transactions(start, end));
    // The first batch may begin before; a reader leaves that out.
    records.retain(|record| record.offset >= start);
    (records, end)
}

pub async fn judge_opened(plan: &Plan, log: &Rc<Log>, truth: &Shared, needed: Offset) {
    let end = log.end_offset();
    assert!(end >= needed, "lost: {end} of {needed} acknowledged");
    log.set_high_watermark(end);
    {
        let mut truth = truth.borrow_mut();
        assert!(end <= truth.history.end(), "more than was ever appended");
        truth.history.cut(end);
        truth.synced = end;
        truth.written = end;
        if std::mem::take(&mut truth.is_retaining) {
            truth.given_up = truth.given_up.max(log.log_start_offset());
        }
        truth.lives += 1;
    }
    let (read, stable) = read_committed(log, 2_000).await;
    if std::env::var_os("RINGMAIN_KEEP").is_some() {
        let start = log.log_start_offset();
        let aborted = log.aborted_transactions(start, stable);
        println!(
            "opened: {start}..{stable}, end {end}, aborted {aborted:?}, {:?}",
            log.recovered()
        );
    }
    let truth = &*truth.borrow();
    let part = (log.log_start_offset(), stable);
    judge(plan, truth, &read, log.cleaned_offset(), part, rt::unix_ms());
    for id in [TRANSACTIONAL, IDEMPOTENT] {
        let known = log.producers().get(id).map(|producer| {
            (producer.epoch, producer.last().map_or(-1, |batch| batch.last_sequence))
        });
        let why = format!("producer {id}, {} to {end}", log.log_start_offset());
        assert_eq!(known, truth.history.last_of(id), "{why}");
    }
}
