//! Several data directories: what is told of them, and what happens when one is not there.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::broker::{Broker, Dir};
use crate::command::run;

/// The directory of each of a topic's partitions.
fn places(broker: &Broker, topic: &str) -> Vec<Value> {
    let described = broker.run(&["topic", "describe", topic, "--json"]).printed();
    let described: Value = serde_json::from_str(described.trim()).expect("JSON");
    let partitions = described["partitions"].as_array().expect("a list");
    partitions.iter().map(|partition| partition["directory"].clone()).collect()
}

/// The value of a key in `meta.properties`.
fn property(dir: &Path, key: &str) -> String {
    let text = fs::read_to_string(dir.join("meta.properties")).expect("it is signed");
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.expect("the key").to_owned()
}

#[test]
fn partitions_spread_over_directories_and_stay_there() {
    let more = Dir::new();
    let with_both = ["--data", more.path()];
    let mut broker = Broker::start_with(&with_both);
    let data = broker.data.0.clone();
    broker.run(&["topic", "create", "orders", "--partitions", "6"]).printed();
    let before = places(&broker, "orders");
    let in_more = before.iter().filter(|place| **place == *more.path()).count();
    assert_eq!(in_more, 3, "the disks are one, so half of them go there: {before:?}");
    let described = broker.run(&["topic", "describe", "orders"]).printed();
    assert!(described.contains("  DIRECTORY\n") && described.contains(more.path()), "{described}");
    assert_eq!(property(&data, "cluster.id"), property(&more.0, "cluster.id"));
    assert_ne!(property(&data, "directory.id"), property(&more.0, "directory.id"));
    for partition in 0..6 {
        let produce = ["produce", "-t", "orders", "-p", &partition.to_string()];
        broker.run_with(&produce, format!("of {partition}\n").as_bytes()).printed();
    }

    // Without one of them, its partitions are neither served nor made anew, and the others are.
    broker.stop();
    broker.start_again();
    let there = before.iter().position(|place| *place == *more.path()).expect("some").to_string();
    let here = before.iter().position(|place| *place != *more.path()).expect("some").to_string();
    let consume = |partition: &str| {
        let args =
            ["consume", "-t", "orders", "-p", partition, "--from-beginning", "--exit-at-end"];
        broker.run(&args)
    };
    assert_eq!(consume(&here).printed(), format!("of {here}\n"));
    assert!(!data.join(format!("orders-{there}")).exists());
    broker.stop();
    broker.start_again_with(&with_both);
    assert_eq!(places(&broker, "orders"), before);
    for partition in 0..6 {
        let partition = partition.to_string();
        let args =
            ["consume", "-t", "orders", "-p", &partition, "--from-beginning", "--exit-at-end"];
        assert_eq!(broker.run(&args).printed(), format!("of {partition}\n"));
    }
    broker.stop();
    let verified = run(&["log", "verify", data.to_str().expect("text"), more.path()]).printed();
    assert!(verified.starts_with("6 partitions checked"), "{verified}");
}

#[test]
fn directories_that_do_not_go_together_are_told_in_one_line() {
    let (one, more) = (Dir::new(), Dir::new());
    let refused = |dirs: &[&str]| {
        let dirs = dirs.iter().flat_map(|dir| ["--data", dir]);
        let args: Vec<&str> =
            ["serve", "--listen", "127.0.0.1:0"].into_iter().chain(dirs).collect();
        run(&args).refused(1)
    };
    let told = refused(&[one.path(), one.path()]);
    assert_eq!(told, format!("log.dirs names {} twice", one.path()));
    let link = more.0.join("link");
    std::os::unix::fs::symlink(&one.0, &link).expect("a link");
    let told = refused(&[one.path(), link.to_str().expect("text")]);
    assert!(told.ends_with("are the same directory"), "{told}");

    let mut broker = Broker::start();
    let told = refused(&[one.path(), broker.data.path()]);
    let data = broker.data.path().to_owned();
    let expect =
        format!("{data} is in use by another broker: stop it, or choose another with --data");
    assert_eq!(told, expect);
    broker.stop();
    let mut other = Broker::start();
    other.stop();
    let told = refused(&[&data, other.data.path()]);
    assert!(told.contains("belongs to cluster"), "{told}");

    // A copy of a disk.
    let copy = Dir::new();
    fs::copy(broker.data.0.join("meta.properties"), copy.0.join("meta.properties"))
        .expect("a file");
    let told = refused(&[&data, copy.path()]);
    assert!(told.contains("is a copy of"), "{told}");
}
