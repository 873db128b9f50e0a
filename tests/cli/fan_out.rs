//! A backlog drained into more partitions: every record once, each key in its order, whatever is
//! killed meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use ringmain::base::prng::Prng;
use ringmain::client::partition_of_key;
use serde_json::Value;

use crate::broker::Broker;

const KEYS: usize = 1000;
const TARGET: usize = 16;
const SPEED: &str = "20000";

/// `key:number` lines in which each key counts up from 0.
fn backlog(count: usize) -> Vec<u8> {
    let mut random = Prng::new(17);
    let mut counts = vec![0; KEYS];
    let mut lines = String::new();
    for _ in 0..count {
        let key = random.below(KEYS as u64) as usize;
        lines.push_str(&format!("key-{key}:{}\n", counts[key]));
        counts[key] += 1;
    }
    lines.into_bytes()
}

/// A source of two partitions with a backlog.
fn source(broker: &Broker, count: usize) {
    let create = ["topic", "create", "source", "--partitions", "2", "--config"];
    broker.run(&[&create[..], &["retention.ms=86400000"]].concat()).printed();
    let produce = ["produce", "-t", "source", "-k", ":", "-H", "from=here", "-q", "-z", "lz4"];
    broker.run_with(&produce, &backlog(count)).printed();
}

/// All that a reader of committed records sees: by key, `(partition, value, time)` in their order.
fn seen(broker: &Broker, topic: &str) -> BTreeMap<String, Vec<(usize, u64, i64)>> {
    let consume = ["consume", "-t", topic, "--from-beginning", "-e", "-q"];
    let more = ["--isolation", "read_committed", "-f", r"%k %p %v %T %h\n"];
    let text = broker.run(&[&consume[..], &more].concat()).printed();
    let mut seen: BTreeMap<String, Vec<(usize, u64, i64)>> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [key, partition, value, time, "from=here"] = words[..] else {
            panic!("a strange record: {line}")
        };
        let record = (partition.parse(), value.parse(), time.parse());
        let (Ok(partition), Ok(value), Ok(time)) = record else { panic!("strange: {line}") };
        seen.entry(key.to_owned()).or_default().push((partition, value, time));
    }
    seen
}

/// What is wrong with the copy, if anything is.
fn compare(broker: &Broker) -> Result<(), String> {
    let (before, after) = (seen(broker, "source"), seen(broker, "target"));
    if before.keys().ne(after.keys()) {
        return Err(format!("{} keys became {}", before.len(), after.len()));
    }
    for (key, records) in &before {
        let copied = &after[key];
        let content = |record: &(usize, u64, i64)| (record.1, record.2);
        if !records.iter().map(content).eq(copied.iter().map(content)) {
            return Err(format!("{key}: {records:?} became {copied:?}"));
        }
        let place = partition_of_key(key.as_bytes(), TARGET);
        if let Some(strange) = copied.iter().find(|record| record.0 != place) {
            return Err(format!("{key} belongs to partition {place}, not {}", strange.0));
        }
    }
    Ok(())
}

/// Drains while command and broker are killed again and again; what is wrong then, if anything.
fn drain_with_kills(seed: u64, count: usize, bugs: &str, kill_brokers: bool) -> Result<(), String> {
    let mut random = Prng::new(seed);
    let mut broker = Broker::start();
    source(&broker, count);
    let args = ["topic", "fan-out", "source", "target", "--partitions", "16", "-q"];
    let slow = [&args[..], &["--max-records-per-second", SPEED]].concat();
    let mut kills = 0;
    for round in 0..60 {
        let mut command = broker.begin_planted(&slow, bugs);
        thread::sleep(Duration::from_millis(200 + random.below(900)));
        if !command.is_running() {
            command.end().printed();
            break;
        }
        kills += 1;
        if kill_brokers && round % 2 == 1 {
            broker.kill();
            thread::sleep(Duration::from_millis(random.below(200)));
            broker.start_again();
            if round % 4 == 1 {
                // It goes on by itself.
                thread::sleep(Duration::from_millis(random.below(1500)));
            }
        }
        command.kill();
    }
    let ended = broker.begin_planted(&args, bugs).end();
    if ended.code != Some(0) {
        return Err(ended.stderr);
    }
    assert!(kills >= 3, "{kills} kills prove nothing");
    compare(&broker)
}

#[test]
fn every_record_arrives_once_and_in_order_whatever_is_killed() {
    drain_with_kills(3, 100_000, "", true).expect("a whole copy");
}

#[cfg(feature = "planted-bugs")]
#[test]
fn planted_bugs_of_the_drain_are_found() {
    for bug in ["fan-out-commits-apart", "fan-out-by-chance"] {
        let found = (0..6).find_map(|seed| drain_with_kills(seed, 50_000, bug, false).err());
        assert!(found.is_some(), "nobody noticed {bug}");
    }
}

#[test]
fn a_target_is_made_like_its_source_and_drained_once() {
    let broker = Broker::start();
    source(&broker, 3000);
    let fan_out = ["topic", "fan-out", "source", "target"];
    let refused = broker.run(&fan_out).refused(1);
    assert!(refused.contains("--partitions N makes it"), "{refused}");
    let json = [&fan_out[..], &["-p", "16", "--json", "-q"]].concat();
    let told = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");
    let first = told(broker.run(&json).printed());
    assert_eq!((&first["records"], &first["finished"]), (&3000.into(), &true.into()), "{first}");
    assert_eq!(first["behind"], 0, "{first}");
    compare(&broker).expect("a whole copy");
    let described = broker.run(&["topic", "describe", "target", "--json"]).printed();
    let described = told(described);
    assert_eq!(described["settings"]["retention.ms"]["value"], "86400000", "{described}");
    assert_eq!(described["partitions"].as_array().map(Vec::len), Some(16));

    // Again: nothing is left. Then only what is new.
    let again = [&fan_out[..], &["--json", "-q"]].concat();
    assert_eq!(told(broker.run(&again).printed())["records"], 0);
    broker.run_with(&["produce", "-t", "source", "-k", ":", "-q"], b"a:1\nb:2\n").printed();
    assert_eq!(told(broker.run(&again).printed())["records"], 2);

    // What an earlier run began is not mixed with anything else.
    let more = broker.run(&[&fan_out[..], &["-p", "8"]].concat()).refused(1);
    assert!(more.contains("topic target has 16 partitions, not 8"), "{more}");
    let other = broker.run(&[&fan_out[..], &["--group", "g"]].concat()).refused(1);
    assert!(other.contains("an earlier run began without --group"), "{other}");
    broker.run(&["topic", "delete", "target"]).printed();
    let gone = broker.run(&[&fan_out[..], &["-p", "4"]].concat()).refused(1);
    assert!(gone.contains("another topic target that is deleted since"), "{gone}");
    broker.run(&["group", "delete", "ringmain-fan-out.source.target"]).printed();
    assert_eq!(told(broker.run(&json).printed())["records"], 3002);

    let itself = broker.run(&["topic", "fan-out", "source", "source"]).refused(2);
    assert!(itself.contains("into itself"), "{itself}");
    let nowhere = broker.run(&["topic", "fan-out", "nowhere", "target"]).refused(1);
    assert!(nowhere.contains("there is no topic nowhere"), "{nowhere}");
}

#[test]
fn a_group_goes_over_and_loses_nothing() {
    let broker = Broker::start_with(&["--set", "group.initial.rebalance.delay.ms=0"]);
    broker.run(&["topic", "create", "source", "--partitions", "2"]).printed();
    let lines: String = (0..100).map(|number| format!("k{number}:{number}\n")).collect();
    broker.run_with(&["produce", "-t", "source", "-k", ":", "-q"], lines.as_bytes()).printed();
    let read = ["consume", "-g", "g", "source", "-q", "--from-beginning", "--session-timeout", "6"];
    let first = broker.run(&[&read[..], &["-c", "30"]].concat()).printed();

    // Who still reads would read on in vain.
    let reader = broker.begin(&[&read[..], &["-f", "."]].concat());
    reader.speaks();
    let fan_out = ["topic", "fan-out", "source", "target", "-p", "5", "--group", "g"];
    let refused = broker.run(&fan_out).refused(1);
    assert!(refused.contains("group g still reads source (1 member): stop"), "{refused}");
    reader.interrupt();
    let reset = ["group", "reset-offsets", "g", "-t", "source", "--to", "earliest", "--execute"];
    broker.run(&reset).printed();
    let second = broker.run(&[&read[..], &["-c", "30"]].concat()).printed();
    broker.run(&fan_out).printed();

    // Where a group has committed nothing it would begin at the end.
    let rest = ["consume", "-g", "g", "target", "-q", "-e", "--offset", "latest"];
    let rest = broker.run(&rest).printed();
    let read: BTreeSet<&str> = second.lines().collect();
    let rest: BTreeSet<&str> = rest.lines().collect();
    assert_eq!((first.lines().count(), read.len(), rest.len()), (30, 30, 70));
    assert!(read.is_disjoint(&rest), "nothing is read twice");
}

#[test]
fn following_goes_on_with_new_records() {
    let broker = Broker::start();
    source(&broker, 1000);
    let fan_out = ["topic", "fan-out", "source", "target", "-p", "16", "--follow"];
    let command = broker.begin(&fan_out);
    let produce = ["produce", "-t", "source", "-k", ":", "-H", "from=here", "-q"];
    broker.run_with(&produce, b"new:0\nnew:1\n").printed();
    let consume = ["consume", "-t", "target", "--from-beginning", "-c", "1002", "-q"];
    // The topic is made by the command.
    while broker.run(&["topic", "describe", "target"]).code != Some(0) {}
    broker.run(&consume).printed();
    let ended = command.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    compare(&broker).expect("a whole copy");
}
