//! Appending to a partition's log; the disk is the simulator's, and its time does not count.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ringmain::log::{Budget, Limits, Log, LogSettings, Origin, Records};
use ringmain::model::TopicId;
use ringmain::rt::sim::Sim;

use super::batches::sample;
use super::{Done, Hash};

const SEED: u64 = 1;
const RECORDS: usize = 16;
const NOW_MS: i64 = 1_700_000_000_000;
/// Appends between two flushes.
const FLUSH_EVERY: u64 = 16;

pub fn append(count: u64) -> Done {
    let sim = Sim::new(SEED);
    let host = sim.add_host("broker");
    sim.disk(host).install_dir(Path::new("/data")).expect("an empty disk");
    let task = sim.spawn(host, append_all(count));
    sim.run(task)
}

async fn append_all(count: u64) -> Done {
    let budget = Budget::new(Limits::default());
    let dir = Path::new("/data/load-0");
    let log: Rc<Log> = Log::create(dir, TopicId([9; 16]), LogSettings::default(), &budget)
        .await
        .expect("a new log");
    let bytes = sample(RECORDS);
    let (mut hash, mut took) = (Hash::default(), Duration::ZERO);
    for number in 0..count {
        let began = Instant::now();
        let appended =
            log.append(Records::Copy(&bytes), Default::default(), NOW_MS, Origin::Client);
        took += began.elapsed();
        hash.number(appended.expect("a batch that is taken").last_offset as u64);
        if number % FLUSH_EVERY == FLUSH_EVERY - 1 {
            while log.is_dirty() {
                log.flush_step().await.expect("the disk works");
            }
        }
    }
    log.close().await.expect("it closes");
    Done { took, hash: hash.finish() }
}
