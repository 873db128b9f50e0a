//! A directory that Apache Kafka 4.4 wrote: two plain segments, and one of transactions compressed
//! with zstd; closed in order, or as a running broker has it.

use std::path::{Path, PathBuf};

use ringmain::log::checkpoint::Entry;
use ringmain::log::{Budget, Limits, Log, LogSettings, Origin, Records, verify};
use ringmain::model::LeaderEpoch;
use ringmain::wire::batch::{self, Batches};

use crate::support::{NOW, World, batch, bytes_of, empty_dir, on_core, read_all};

const END: i64 = 124;

fn copy(name: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kafka-4.4/fix-0");
    let to = empty_dir(name).join("fix-0");
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// Everything is there, the producers are known, and the log goes on.
async fn check(log: &Log) {
    assert_eq!((log.log_start_offset(), log.end_offset()), (0, END));
    let batches = read_all(log, 3000).await;
    let records: i32 = batches
        .iter()
        .map(|bytes| Batches::new(bytes).next().unwrap().unwrap().header.record_count())
        .sum();
    assert_eq!(i64::from(records), END);
    // Two producers without and one with transactions, all of which are committed.
    assert_eq!(log.producers().len(), 3);
    log.set_high_watermark(END);
    assert_eq!(log.last_stable_offset(), END);
    assert_eq!(log.aborted_transactions(0, END), []);
    let (_, newest) = log.max_timestamp().await.unwrap().unwrap();
    assert!(newest >= 80, "{newest}");
    assert_eq!(log.epoch_at(100), Some(0));
    let appended =
        log.append(Records::Copy(&batch(2, 10)), LeaderEpoch(1), NOW, Origin::Client).unwrap();
    assert_eq!(appended.base_offset, END);
    log.close().await.unwrap();
    assert_eq!(verify(log.dir()).unwrap(), []);
}

#[test]
fn what_kafka_closed_opens_without_a_scan_of_everything() {
    on_core(|| async {
        let dir = copy("kafka-closed");
        assert_eq!(verify(&dir).unwrap(), []);
        let budget = Budget::new(Limits::default());
        let metadata = std::fs::read_to_string(dir.join("partition.metadata")).unwrap();
        let topic = metadata.rsplit(' ').next().unwrap().trim().parse().unwrap();
        // As its checkpoint files say it: the offset is known, its place is not.
        let known = Entry {
            topic_id: topic,
            synced_offset: END,
            segment: -1,
            position: 0,
            first_unfinished: i64::MAX,
            producer_count: 1,
            ..Entry::default()
        };
        let log = Log::open(&dir, LogSettings::default(), &budget, Some(&known)).await.unwrap();
        assert!(log.recovered().scanned_bytes < 7000, "{:?}", log.recovered());
        assert_eq!(log.recovered().cut, None);
        check(&log).await;
    });
}

#[test]
fn what_a_killed_kafka_left_is_scanned_and_complete() {
    on_core(|| async {
        let dir = copy("kafka-killed");
        std::fs::remove_file(dir.join(format!("{END:020}.snapshot"))).unwrap();
        // A running Kafka has the indexes of its active segment preallocated.
        for name in ["00000000000000000080.index", "00000000000000000080.timeindex"] {
            let file = std::fs::File::options().write(true).open(dir.join(name)).unwrap();
            file.set_len(12 << 16).unwrap();
        }
        let budget = Budget::new(Limits::default());
        let log = Log::open(&dir, LogSettings::default(), &budget, None).await.unwrap();
        assert_eq!(log.recovered().cut, None);
        check(&log).await;
    });
}

/// Writes a segment of one-record batches at these offsets.
fn segment(dir: &Path, base: i64, offsets: &[i64]) {
    let mut bytes = Vec::new();
    for &offset in offsets {
        let mut one = batch(1, 10);
        batch::stamp(&mut one, offset, 0);
        bytes.extend(one);
    }
    std::fs::write(dir.join(format!("{base:020}.log")), bytes).unwrap();
}

/// A cleaned log has segments that end early, and some with nothing in them: whoever asks for an
/// offset that is gone gets the next one that is there.
#[test]
fn gaps_that_a_cleaner_left_are_read_over() {
    on_core(|| async {
        let dir = empty_dir("kafka-cleaned").join("t-0");
        std::fs::create_dir_all(&dir).unwrap();
        let there = [3, 4, 130, 250, 251];
        segment(&dir, 0, &there[..2]);
        segment(&dir, 50, &[]);
        segment(&dir, 100, &there[2..3]);
        segment(&dir, 150, &[]);
        segment(&dir, 200, &there[3..]);
        let budget = Budget::new(Limits::default());
        // Scanned, and then with indexes and almost without a scan.
        for synced_offset in [0, 252] {
            let known = Entry {
                synced_offset,
                segment: -1,
                first_unfinished: i64::MAX,
                producer_count: 1,
                ..Entry::default()
            };
            let log = Log::open(&dir, LogSettings::default(), &budget, Some(&known)).await.unwrap();
            assert_eq!((log.recovered().cut.clone(), log.end_offset()), (None, 252));
            for offset in 0..252 {
                let plan = log.read(offset, 1, 252, true).await.unwrap();
                let bytes = bytes_of(&plan).await;
                let found = Batches::new(&bytes).next().unwrap().unwrap().header.base_offset();
                assert_eq!(Some(&found), there.iter().find(|at| **at >= offset), "at {offset}");
            }
            log.close().await.unwrap();
        }
    });
}

/// A log that was in the hands of another cluster, which knew nothing of the epochs before.
#[test]
fn leader_epochs_may_go_back() {
    World::new(1).run(|world| async move {
        let log = world.create("t-0", LogSettings::default()).await;
        for epoch in [0, 7, 7, 3, 4] {
            log.append(Records::Copy(&batch(2, 10)), LeaderEpoch(epoch), NOW, Origin::Client)
                .unwrap();
        }
        log.sync().await.unwrap();
        let end = log.end_offset();
        let log = world.crash_and_open("t-0", LogSettings::default()).await;
        assert_eq!((log.recovered().cut.clone(), log.end_offset()), (None, end));
        assert_eq!(log.epoch_at(end - 1), Some(4));
    });
}
