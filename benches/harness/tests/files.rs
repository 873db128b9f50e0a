//! Everything that the harness reads or runs small: our workloads and drivers, files as OpenMessaging
//! Benchmark writes them, and each micro bench with the same hash twice.

use std::fs;
use std::path::Path;

use ringmain_bench::contestant::{Contestant, Work};
use ringmain_bench::driver_file::DriverFile;
use ringmain_bench::lean::settings::{ConsumerSettings, ProducerSettings};
use ringmain_bench::micro::PIECES;
use ringmain_bench::properties::Properties;
use ringmain_bench::workload::{KeyDistributor, Workload};

fn files(dir: &str) -> Vec<std::path::PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(dir);
    let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

#[test]
fn our_workloads_can_be_read() {
    let files = files("workloads");
    assert!(files.len() >= 15, "{files:?}");
    for path in files {
        let work = Work::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let workload = &work.workload;
        let of = |text: &str| Properties::of(&[text]).expect("key=value");
        ProducerSettings::of(&of(&workload.producer_config)).expect("a producer's settings");
        ConsumerSettings::of(&of(&workload.consumer_config)).expect("a consumer's settings");
        assert!(!workload.about.is_empty(), "{} says what it is for", path.display());
        assert!(workload.durability.is_some(), "{} says what it promises", path.display());
    }
}

/// The fields and layout of OpenMessaging Benchmark's files, with values of our own.
#[test]
fn files_of_openmessaging_benchmark_are_read_as_they_are() {
    let workload = "
# a comment
name: 1 producer / 1 consumers on 1 topic

topics: 1
partitionsPerTopic: 16
keyDistributor: KEY_ROUND_ROBIN
messageSize: 1024
payloadFile: \"payload/payload-1Kb.data\"
subscriptionsPerTopic: 1
consumerPerSubscription: 1
producersPerTopic: 1

# Discover max-sustainable rate
producerRate: 10000000
consumerBacklogSizeGB: 100
testDurationMinutes: 15
";
    let read = Workload::parse(workload).expect("a workload");
    assert_eq!(read.key_distributor, KeyDistributor::KeyRoundRobin);
    assert_eq!((read.test_seconds(), read.warmup_seconds()), (900.0, 60.0));
    assert_eq!(read.consumer_backlog_size_gb, 100.0);
    assert_eq!(read.payload_file.as_deref(), Some("payload/payload-1Kb.data"));
    let refuse = |text: &str, expected: &str| {
        let error = Workload::parse(text).expect_err("not a workload");
        assert!(error.contains(expected), "{error}");
    };
    refuse(&workload.replace("topics: 1", "topics: 0"), "topics");
    refuse(&workload.replace("messageSize", "messageSise"), "messageSise");
    refuse(&workload.replace("producerRate: 10000000", "producerRate: -1"), "producerRate");

    let driver = "
name: Kafka
driverClass: io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver

# Kafka client-specific configuration
replicationFactor: 3

topicConfig: |
  min.insync.replicas=2

commonConfig: |
  bootstrap.servers=localhost:9092
  default.api.timeout.ms=1200000

producerConfig: |
  acks=all
  linger.ms=1
  batch.size=1048576

consumerConfig: |
  auto.offset.reset=earliest
  enable.auto.commit=false
  max.partition.fetch.bytes=10485760
";
    let file = DriverFile::parse(driver).expect("a driver");
    assert_eq!((file.driver_name().as_str(), file.replication_factor), ("kafka", Some(3)));
    let producer = ProducerSettings::of(
        &Properties::of(&[&file.common_config, &file.producer_config]).expect("lines"),
    )
    .expect("settings");
    assert_eq!((producer.acks, producer.linger, producer.batch_bytes), (-1, 1_000_000, 1 << 20));
    let contestant = Contestant { file, path: "driver.yaml".into() };
    assert!(contestant.speaks_kafka());
    assert_eq!(contestant.bootstrap(None).expect("an address"), "localhost:9092");
    assert_eq!(contestant.bootstrap(Some(5)).expect("an address"), "127.0.0.1:5");
}

#[test]
fn the_small_pieces_do_the_same_twice() {
    for piece in PIECES {
        let hashes = [(piece.run)(20).hash, (piece.run)(20).hash];
        println!("{}: {:016x}", piece.name, hashes[0]);
        assert_eq!(hashes[0], hashes[1], "{}", piece.name);
        assert_ne!(hashes[0], (piece.run)(21).hash, "{}", piece.name);
    }
}
