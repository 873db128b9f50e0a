//! The life of a topic.

use serde_json::Value;

use crate::broker::Broker;

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_topic_is_created_changed_and_deleted() {
    let broker = Broker::start();
    let empty = broker.run(&["topic", "list"]);
    assert!(empty.stderr.contains("no topics yet"), "{}", empty.stderr);
    assert_eq!(empty.printed(), "");

    let create = ["topic", "create", "orders", "--partitions", "3", "--config"];
    let create = [&create[..], &["retention.ms=60000"]].concat();
    let dry = broker.run(&[&create[..], &["--dry-run"]].concat()).printed();
    assert_eq!(dry, "topic orders could be created with 3 partitions, replication 1\n");
    let created = broker.run(&create).printed();
    assert_eq!(created, "topic orders created with 3 partitions, replication 1\n");
    let again = broker.run(&create).refused(1);
    assert_eq!(again, "topic orders exists already (--if-not-exists accepts that)");
    let accepted = broker.run(&[&create[..], &["--if-not-exists"]].concat()).printed();
    assert_eq!(accepted, "topic orders exists already\n");
    let created = broker.run(&["topic", "create", "a.b", "--json"]).printed();
    assert_eq!(json(&created)[0]["created"], true);

    let listed = broker.run(&["topic", "list"]).printed();
    let expect = "TOPIC   PARTITIONS  REPLICATION\n\
                  a.b              1            1\n\
                  orders           3            1\n";
    assert_eq!(listed, expect);
    let listed = json(&broker.run(&["topic", "list", "--json"]).printed());
    assert_eq!((listed.len(), &listed[1]["partitions"]), (2, &3.into()));

    broker.run_with(&["produce", "-t", "orders", "-p", "1"], b"one\ntwo\n").printed();
    let alter = ["topic", "alter", "orders", "--set", "ringmain.durability=written"];
    let alter = [&alter[..], &["--delete", "retention.ms", "--partitions", "4"]].concat();
    assert_eq!(broker.run(&alter).printed(), "topic orders changed\n");
    let described = broker.run(&["topic", "describe", "orders"]).printed();
    assert!(described.starts_with("orders: 4 partitions, replication 1\n  id "), "{described}");
    assert!(described.contains("  ringmain.durability  written  (the topic's)\n"), "{described}");
    assert!(!described.contains("retention.ms"), "{described}");
    let described = json(&broker.run(&["topic", "describe", "orders", "--json"]).printed());
    let partition = &described[0]["partitions"][1];
    assert_eq!((&partition["start_offset"], &partition["end_offset"]), (&0.into(), &2.into()));
    assert!(partition["leader"].as_i64().is_some_and(|id| id > 0), "{partition}");
    assert!(partition["size_bytes"].as_i64().is_some_and(|size| size > 60), "{partition}");
    let all = json(&broker.run(&["topic", "describe", "--json"]).printed());
    assert_eq!(all.iter().map(|topic| &topic["name"]).collect::<Vec<_>>(), ["a.b", "orders"]);

    let fewer = broker.run(&["topic", "alter", "orders", "--partitions", "2"]).refused(1);
    assert!(fewer.contains("has 4 partitions") && fewer.contains("INVALID_PARTITIONS"), "{fewer}");
    let bad = broker.run(&["topic", "alter", "orders", "--set", "retention.ms=soon"]).refused(1);
    assert!(bad.contains("retention.ms") && bad.contains("INVALID_CONFIG"), "{bad}");
    let bad = broker.run(&["topic", "create", "no spaces"]).refused(1);
    assert!(bad.contains("ASCII letters and digits"), "{bad}");
    let bad = broker.run(&["topic", "create", "x", "--replication", "9"]).refused(1);
    assert!(bad.contains("INVALID_REPLICATION_FACTOR"), "{bad}");

    let deleted = broker.run(&["topic", "delete", "orders", "a.b"]).printed();
    assert_eq!(deleted, "topic a.b deleted\ntopic orders deleted\n");
    assert_eq!(broker.run(&["topic", "list"]).printed(), "");
    let missing = "there is no topic orders (`ringmain topic list` shows those that exist, \
                   `ringmain topic create orders` makes it)";
    for command in [
        &["topic", "delete", "orders"][..],
        &["topic", "describe", "orders"],
        &["topic", "alter", "orders", "--partitions", "9"],
        &["consume", "-t", "orders"],
    ] {
        assert_eq!(broker.run(command).refused(1), missing, "{command:?}");
    }
    let gone = broker.run(&["topic", "delete", "orders", "--if-exists"]).printed();
    assert_eq!(gone, "topic orders did not exist\n");
}

#[test]
fn a_topic_that_nobody_makes_is_told() {
    let broker = Broker::start_with(&["--set", "auto.create.topics.enable=false"]);
    let told = broker.run_with(&["produce", "-t", "typo", "--timeout", "1"], b"x\n").refused(1);
    assert!(told.starts_with("there is no topic typo (`ringmain topic list` shows"), "{told}");
}
