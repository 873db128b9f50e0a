//! What Ringmain wrote, in Kafka's hands.

use std::fs;
use std::path::Path;

use super::Written;
use super::content::DELETED;
use super::kafka::{Kafka, script};
use crate::broker::Setup;

/// A directory that two lives of a broker wrote, the second of them with other cores and therefore
/// other leader epochs; the second is ended by `end`.
fn written(setup: &Setup, end: impl FnOnce(crate::broker::Broker)) -> Written {
    let broker = setup.start();
    let mut written = Written::new(broker.address());
    broker.stop();
    let broker = setup.clone().cores(1).start();
    written.check(broker.address());
    end(broker);
    written
}

#[test]
#[ignore = "needs Java and Maven: scripts/kafka-exchange"]
fn kafka_takes_over_what_ringmain_closed_and_gives_it_back() {
    let setup = Setup::new("ours-closed");
    let dir = setup.scratch();
    let mut written = written(&setup, |broker| broker.stop());
    dump(&setup.data());

    let kafka = Kafka::adopt(dir);
    written.check(kafka.address());
    let complaints = kafka.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    kafka.stop();
    let kafka = Kafka::start(dir);
    written.check(kafka.address());
    kafka.stop();

    let broker = setup.start();
    written.check(broker.address());
    broker.kill();
    let broker = setup.start();
    written.check(broker.address());
    broker.stop();
}

/// Not the way to do it: what was deleted may come back, since only an end in order notes it. But
/// nothing else is different.
#[test]
#[ignore = "needs Java and Maven: scripts/kafka-exchange"]
fn kafka_takes_over_what_a_killed_ringmain_left() {
    let setup = Setup::new("ours-killed");
    let mut written = written(&setup, |broker| broker.kill());
    written.forget(DELETED);
    let kafka = Kafka::adopt(setup.scratch());
    written.check(kafka.address());
    kafka.stop();
}

#[test]
#[ignore = "needs Java and Maven: scripts/kafka-exchange"]
fn kafka_stays_out_of_what_ringmain_has_open() {
    let setup = Setup::new("ours-open");
    let broker = setup.start();
    let dir = setup.scratch().to_string_lossy().into_owned();
    let port = crate::broker::free_ports().to_string();
    for verb in ["adopt", "start"] {
        let output = script(&[verb, &dir, &port]);
        assert!(!output.status.success(), "{verb} went well");
    }
    broker.stop();
}

/// Kafka's DumpLogSegments reads every file that it knows.
fn dump(data: &Path) {
    let mut files = Vec::new();
    for dir in fs::read_dir(data).expect("a directory") {
        let dir = dir.expect("an entry").path();
        for file in fs::read_dir(&dir).into_iter().flatten() {
            let path = file.expect("an entry").path().to_string_lossy().into_owned();
            let known = [".log", ".index", ".timeindex", ".snapshot", ".txnindex"];
            if known.iter().any(|suffix| path.ends_with(suffix)) {
                files.push(path);
            }
        }
    }
    for suffix in [".log", ".index", ".timeindex", ".snapshot"] {
        let count = files.iter().filter(|path| path.ends_with(suffix)).count();
        assert!(count > 5, "{count} files of {suffix} prove little");
    }
    files.sort();
    for deep in ["--deep-iteration", "--index-sanity-check", "--verify-index-only"] {
        let mut args = vec!["dump-log", deep];
        args.extend(files.iter().map(String::as_str));
        let output = script(&args);
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let tail: Vec<&str> = out.lines().rev().take(20).collect();
        assert!(output.status.success(), "{deep}: {tail:#?}\n{err}");
    }
    println!("DumpLogSegments read {} files and found nothing wrong", files.len());
}
