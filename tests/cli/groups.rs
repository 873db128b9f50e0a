//! The life of a consumer group, as an administrator sees it.

use serde_json::Value;

use crate::broker::Broker;

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What the group has committed for partition 0, and how far behind that is.
fn committed(broker: &Broker) -> (Value, Value) {
    let described = json(&broker.run(&["group", "describe", "reports", "--json"]).printed());
    let partition = &described[0]["partitions"][0];
    (partition["committed"].clone(), partition["lag"].clone())
}

#[test]
fn a_group_is_moved_described_and_deleted() {
    let mut broker = Broker::start();
    let empty = broker.run(&["group", "list"]);
    assert!(empty.stderr.contains("no such groups"), "{}", empty.stderr);
    broker.run(&["topic", "create", "orders"]).printed();
    broker.run_with(&["produce", "-t", "orders"], b"1\n2\n3\n4\n5\n").printed();

    let reset = ["group", "reset-offsets", "reports", "--topic", "orders"];
    let dry = broker.run(&[&reset[..], &["--to", "2"]].concat());
    assert!(dry.stderr.contains("Nothing was changed"), "{}", dry.stderr);
    assert_eq!(dry.printed(), "TOPIC   PARTITION  FROM  TO\norders          0     -   2\n");
    let missing = broker.run(&["group", "describe", "reports"]).refused(1);
    assert!(missing.contains("there is no group reports"), "{missing}");

    for (to, expect) in [
        ("2", 2),
        ("+1", 3),
        ("-2", 1),
        ("-9", 0),
        ("latest", 5),
        ("earliest", 0),
        ("99", 5),
        ("1h", 0),
        ("@0", 0),
        ("@9999999999999", 5),
        ("3", 3),
    ] {
        broker.run(&[&reset[..], &["--to", to, "--execute"]].concat()).printed();
        assert_eq!(committed(&broker), (expect.into(), (5 - expect).into()), "{to}");
    }
    broker.kill();
    broker.start_again();
    assert_eq!(committed(&broker), (3.into(), 2.into()), "after a kill");

    let listed = json(&broker.run(&["group", "list", "--json"]).printed());
    assert_eq!((&listed[0]["group"], &listed[0]["state"]), (&"reports".into(), &"Empty".into()));
    let shown = broker.run(&["group", "describe"]).printed();
    assert!(shown.starts_with("reports: Empty, 0 members, 2 records behind"), "{shown}");
    let all = ["group", "reset-offsets", "reports", "--all-topics", "--to", "+1", "--execute"];
    assert_eq!(
        broker.run(&all).printed(),
        "TOPIC   PARTITION  FROM  TO\norders          0     3   4\n"
    );

    let nowhere = broker.run(&["group", "reset-offsets", "reports", "-t", "x", "--to", "1"]);
    assert!(nowhere.refused(1).contains("there is no topic x"));
    let beyond = ["group", "reset-offsets", "reports", "-t", "orders:7", "--to", "1"];
    assert!(broker.run(&beyond).refused(1).contains("no partition 7"));
    let bad = broker.run(&[&reset[..], &["--to", "soon"]].concat()).refused(2);
    assert!(bad.contains("earliest, latest, an offset"), "{bad}");

    assert_eq!(broker.run(&["group", "delete", "reports"]).printed(), "group reports deleted\n");
    let gone = broker.run(&["group", "delete", "reports"]).refused(1);
    assert!(gone.contains("there is no group reports"), "{gone}");
    let gone = broker.run(&["group", "delete", "reports", "--if-exists"]).printed();
    assert_eq!(gone, "group reports did not exist\n");
}
