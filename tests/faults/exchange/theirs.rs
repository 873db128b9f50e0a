//! What Kafka wrote, in Ringmain's hands.

use std::fs;

use super::content::{create, write_compacted};
use super::kafka::Kafka;
use super::{Written, verify};
use crate::broker::Setup;
use crate::client::Client;

/// A directory that two lives of a Kafka wrote, the second of which runs.
fn written(setup: &Setup) -> (Kafka, Written) {
    let kafka = Kafka::start(setup.scratch());
    let mut written = Written::new(kafka.address());
    let mut client = Client::connect(kafka.address()).expect("a connection");
    let transactions = create(&mut client, "transactions", 1, &[]);
    kafka.write_transactions(&transactions.name);
    written.topics.push(transactions);
    written.topics.push(write_compacted(&mut client));
    written.go_on(kafka.address());
    kafka.stop();
    let kafka = Kafka::start(setup.scratch());
    written.check(kafka.address());
    (kafka, written)
}

/// In place, with everything else that Kafka keeps there, and back.
#[test]
#[ignore = "needs Java and Maven: scripts/kafka-exchange"]
fn ringmain_takes_over_what_kafka_closed_and_gives_it_back() {
    let setup = Setup::new("theirs-closed");
    let (kafka, mut written) = written(&setup);
    kafka.stop();
    verify(&setup.data());
    // A broker that has forgotten everything takes it over anew, at higher leader epochs.
    for cores in [2, 1, 2, 1] {
        let broker = setup.clone().cores(cores).start();
        written.check(broker.address());
        broker.stop();
        fs::remove_dir_all(setup.data().join(".ringmain")).expect("it was there");
    }

    // Kafka's metadata knows nothing of those: the epochs go back in the middle of the logs.
    written.forget_epochs();
    let kafka = Kafka::adopt(setup.scratch());
    written.check(kafka.address());
    let complaints = kafka.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    kafka.kill();

    let broker = setup.start();
    written.check(broker.address());
    broker.kill();
    let broker = setup.start();
    written.check(broker.address());
    broker.stop();
}

#[test]
#[ignore = "needs Java and Maven: scripts/kafka-exchange"]
fn ringmain_takes_over_what_a_killed_kafka_left() {
    let setup = Setup::new("theirs-killed");
    let (kafka, mut written) = written(&setup);
    kafka.kill();
    let broker = setup.start();
    written.check(broker.address());
    broker.kill();
    let broker = setup.start();
    written.check(broker.address());
    broker.stop();
}

/// The partitions in each of several directories.
fn spread(setup: &Setup) -> Vec<usize> {
    let count = |home: String| {
        let entries =
            fs::read_dir(home).expect("a directory").map(|entry| entry.expect("an entry"));
        entries.filter(|entry| entry.path().join("partition.metadata").exists()).count()
    };
    setup.homes().into_iter().map(count).collect()
}

/// Where Kafka keeps its data in two directories, a broker of ours takes over both, each partition where
/// it is, also when one has forgotten what it knew; and gives them back.
#[test]
#[ignore = "needs Java and Maven: scripts/kafka-exchange"]
fn ringmain_takes_over_two_directories_of_kafka_and_gives_them_back() {
    for is_killed in [false, true] {
        let setup = Setup::new("theirs-two").and_data();
        let kafka = Kafka::start_on(&setup);
        let mut written = Written::new(kafka.address());
        written.go_on(kafka.address());
        let before = spread(&setup);
        assert!(before.iter().all(|&count| count > 2), "{before:?} partitions prove little");
        // Kafka writes down only now where the deleted records end.
        kafka.stop();
        if is_killed {
            Kafka::start_on(&setup).kill();
        }
        for cores in [2, 1] {
            let broker = setup.clone().cores(cores).start();
            written.check(broker.address());
            broker.stop();
            for home in setup.homes() {
                verify(home.as_ref());
                fs::remove_dir_all(format!("{home}/.ringmain")).expect("it was there");
            }
        }
        let broker = setup.start();
        written.check(broker.address());
        // With the topics that came since, but nothing went elsewhere.
        let after = spread(&setup);
        assert!(before.iter().zip(&after).all(|(before, after)| before <= after), "{after:?}");
        broker.stop();

        written.forget_epochs();
        let kafka = Kafka::adopt_all(&setup);
        written.check(kafka.address());
        let complaints = kafka.complaints();
        assert!(complaints.is_empty(), "{complaints:#?}");
        let count = |all: &[usize]| all.iter().sum::<usize>();
        assert_eq!(count(&spread(&setup)), count(&after), "all are there");
        kafka.stop();

        let broker = setup.start();
        written.check(broker.address());
        broker.kill();
        let broker = setup.start();
        written.check(broker.address());
        broker.stop();
    }
}

#[test]
#[ignore = "needs Java and Maven: scripts/kafka-exchange"]
fn ringmain_stays_out_of_what_kafka_has_open() {
    let setup = Setup::new("theirs-open");
    let kafka = Kafka::start(setup.scratch());
    let Err(reason) = setup.try_start() else { panic!("both serve") };
    assert!(reason.contains("in use by another broker"), "{reason}");
    assert!(!setup.data().join(".ringmain").exists(), "a trace was left");
    kafka.stop();
    Kafka::start(setup.scratch()).stop();
}
