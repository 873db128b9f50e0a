//! A compacted log of the kind that a seed draws, and where it lies.

use std::path::Path;
use std::rc::Rc;

use ringmain::base::prng::Prng;
use ringmain::log::{Budget, Compaction, Limits, Log, LogSettings, checkpoint};
use ringmain::model::LeaderEpoch;
use ringmain::rt::file;

use crate::support::TOPIC;

pub const DIR: &str = "/data/t-0";
pub const CHECKPOINT: &str = "/data/checkpoint";
pub const EPOCH: LeaderEpoch = LeaderEpoch(0);
/// Writes transactions; others: one with sequence numbers, one without.
pub const TRANSACTIONAL: i64 = 1;
pub const IDEMPOTENT: i64 = 5;

pub struct Plan {
    pub seed: u64,
    pub settings: LogSettings,
    pub delete_retention_ms: i64,
    pub keys: u64,
    pub memory_bytes: usize,
    pub cache_bytes: usize,
}

impl Plan {
    pub fn new(seed: u64, prng: &mut Prng) -> Plan {
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
        let keys = 3 + prng.below(30);
        let delete_retention_ms = compaction.delete_retention_ms;
        Plan { seed, settings, delete_retention_ms, keys, memory_bytes, cache_bytes }
    }
}

pub async fn open(plan: &Plan) -> Rc<Log> {
    let budget = Budget::new(Limits { cache_bytes: plan.cache_bytes, ..Limits::default() });
    let dir = Path::new(DIR);
    if !file::exists(&dir.join("partition.metadata")).await.unwrap() {
        return Log::create(dir, TOPIC, plan.settings, &budget).await.unwrap();
    }
    let bytes = file::read_whole(Path::new(CHECKPOINT)).await.unwrap_or_default();
    let entries = checkpoint::decode(&bytes).unwrap_or_default();
    Log::open(dir, plan.settings, &budget, entries.first()).await.expect("it recovers")
}

pub async fn keep(log: &Log) {
    let Ok(entry) = log.checkpoint().await else { return };
    let entry_bytes = checkpoint::encode(&vec![entry.clone()]);
    file::write_whole(Path::new(CHECKPOINT), &entry_bytes).await.expect("the disk works");
    log.note_checkpoint(&entry);
}
