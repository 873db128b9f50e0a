//! A log's files, looked at and checked.

use std::fs;

use serde_json::Value;

use crate::broker::{Broker, Dir};
use crate::command::run;

#[test]
fn a_log_is_dumped_and_verified() {
    let mut broker = Broker::start();
    broker.run_with(&["produce", "-t", "t", "-k", ":"], b"a:1\nb:2\n").printed();
    let data = broker.data.path().to_owned();
    let busy = run(&["log", "verify", &data]).refused(1);
    assert!(busy.starts_with(&format!("{data} is in use by a broker: stop it first")), "{busy}");
    broker.stop();

    let partition = format!("{data}/t-0");
    let verified = run(&["log", "verify", &data]).printed();
    assert_eq!(verified.lines().last(), Some("1 partition checked, 0 notes, no damage"));
    let dumped = run(&["log", "dump", &partition, "--records", "--json"]).printed();
    let lines: Vec<Value> =
        dumped.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let records = lines.iter().filter(|line| line["kind"] == "record");
    let records: Vec<_> = records.map(|line| (&line["key"], &line["value"])).collect();
    let expect = [("a".into(), "1".into()), ("b".into(), "2".into())];
    assert_eq!(records, expect.iter().map(|(key, value)| (key, value)).collect::<Vec<_>>());
    let log = format!("{partition}/00000000000000000000.log");
    let dumped = run(&["log", "dump", &log]).printed();
    assert!(dumped.starts_with("batch base_offset=0 last_offset=1 position=0 "), "{dumped}");

    let mut bytes = fs::read(&log).expect("a log");
    bytes[70] ^= 1;
    fs::write(&log, bytes).expect("a log");
    let ended = run(&["log", "verify", &partition]);
    assert_eq!(
        String::from_utf8_lossy(&ended.stdout),
        format!("damage: {log} at byte 0: the checksum is wrong\n")
    );
    assert_eq!(ended.refused(1), "damage in 1 place, 1 partition checked");
    let ended = run(&["log", "verify", &partition, "--json"]);
    let lines: Vec<Value> = String::from_utf8_lossy(&ended.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!((&lines[0]["is_damage"], &lines[1]["damage"]), (&true.into(), &1.into()));

    repairs(&mut broker, &partition);

    let empty = Dir::new();
    let told = run(&["log", "verify", empty.path()]).refused(1);
    assert!(told.contains("holds no log: give a data directory"), "{told}");
    let told = run(&["log", "dump", "Cargo.toml"]).refused(1);
    assert!(told.starts_with("Cargo.toml is no file of a log"), "{told}");
}

/// The first of two batches is damaged: it takes a word to give up records, and the broker goes on
/// with what is left.
fn repairs(broker: &mut Broker, partition: &str) {
    let data = broker.data.path().to_owned();
    let log = format!("{partition}/00000000000000000000.log");
    let before = fs::read(&log).expect("a log");
    let ended = run(&["log", "repair", &data]);
    let told = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(told, format!("damage: {log} at byte 0: the checksum is wrong\n"));
    assert!(ended.refused(1).starts_with("damage is left in 1 place, 1 partition checked (--cut"));
    let dry = run(&["log", "repair", &data, "--cut", "--dry-run"]).printed();
    assert!(dry.contains("ends at byte 0 and offset 0 now (the checksum is wrong)"), "{dry}");
    assert_eq!(fs::read(&log).expect("a log"), before, "a dry run");
    let cut = run(&["log", "repair", &data, "--cut"]).printed();
    assert!(cut.ends_with("no damage left\n"), "{cut}");
    assert_eq!(fs::read(format!("{log}.0.cut")).expect("what was cut"), before);
    assert_eq!(fs::read(&log).expect("a log"), b"");
    run(&["log", "verify", &data]).printed();

    broker.start_again();
    let busy = run(&["log", "repair", &data]).refused(1);
    assert!(busy.starts_with(&format!("{data} is in use by a broker")), "{busy}");
    broker.run_with(&["produce", "-t", "t"], b"c\nd\n").printed();
    let all = broker.run(&["consume", "-t", "t", "--from-beginning", "--exit-at-end"]).printed();
    assert_eq!(all, "c\nd\n");
    broker.kill();
    // What can be made again needs no word.
    fs::write(format!("{partition}/00000000000000000000.index"), b"nonsense").expect("an index");
    fs::remove_file(format!("{partition}/leader-epoch-checkpoint")).expect("epochs");
    let repaired = run(&["log", "repair", partition, "--json"]).printed();
    let lines: Vec<Value> =
        repaired.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, ["repair", "repair", "summary"], "{repaired}");
    assert_eq!(lines[2]["damage"], 0);
    broker.start_again();
    let all = broker.run(&["consume", "-t", "t", "--from-beginning", "--exit-at-end"]).printed();
    assert_eq!(all, "c\nd\n");
    broker.stop();
}
