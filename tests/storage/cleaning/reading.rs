//! Readers who must never be shown what was aborted, and always the last of every key.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::log::Log;
use ringmain::model::Offset;
use ringmain::rt;
use ringmain::wire::batch::{Batch, Batches};

use super::plan::Plan;
use super::truth::Shared;
use crate::keyed::{Keyed, batches_of, committed, records_of};
use crate::support::bytes_of;

/// The first record that a transactional reader is shown and must not be, one answer at a time.
pub async fn read_aborted(log: &Log, truth: &Shared, from: Offset, end: Offset) -> Option<Keyed> {
    let mut offset = from;
    while offset < end {
        let plan = log.read(offset, 1_500, end, true).await.expect("a read");
        // As an answer to a fetch has it.
        let aborted = log.aborted_transactions(offset, plan.next_offset);
        let bytes = bytes_of(&plan).await;
        let batches: Vec<Vec<u8>> =
            Batches::new(&bytes).map(|batch| batch.expect("whole").bytes.to_vec()).collect();
        let truth = truth.borrow();
        let is_aborted = |record: &Keyed| truth.history.record_at(record.offset).1 == Some(false);
        let wrong = committed(&batches, aborted).into_iter().find(is_aborted);
        if wrong.is_some() {
            return wrong;
        }
        offset = plan.next_offset;
    }
    None
}

/// Reads from anywhere to the end while all of this goes on.
pub async fn read(plan: Rc<Plan>, log: Rc<Log>, truth: Shared, mut prng: Prng) {
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
            for (record, fate) in truth.history.records(0..Offset::MAX) {
                if fate == Some(true) {
                    wanted.insert(&record.key, record);
                }
            }
            for record in wanted.values().filter(|record| (from..end).contains(&record.offset)) {
                let seen = last.get(&record.key).is_some_and(|last| *last >= record.offset);
                let may_go = record.value.is_none() && plan.delete_retention_ms < 1000;
                assert!(seen || may_go, "from {from} to {end}, not seen: {record:?}");
            }
        }
        rt::sleep(Duration::from_micros(prng.below(5_000))).await;
    }
}
