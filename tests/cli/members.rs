//! Members of a group, run from the command line: they share, inherit, commit and come back.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::broker::Broker;
use crate::command::Running;

/// The least that brokers allow.
const SESSION: [&str; 2] = ["--session-timeout", "6"];
const PATIENCE: Duration = Duration::from_secs(40);

fn start() -> Broker {
    let broker = Broker::start_with(&["--set", "group.initial.rebalance.delay.ms=0"]);
    broker.run(&["topic", "create", "t", "--partitions", "4"]).printed();
    broker
}

fn member(broker: &Broker, more: &[&str]) -> Running {
    let read = ["consume", "--group", "g", "t", "--from-beginning"];
    broker.begin(&[&read[..], &SESSION, more].concat())
}

/// Numbers as keyed lines, spread over the partitions.
fn write(broker: &Broker, numbers: std::ops::Range<u32>) {
    let lines: String = numbers.map(|number| format!("{number}:{number}\n")).collect();
    broker.run_with(&["produce", "-t", "t", "-k", ":", "-q"], lines.as_bytes()).printed();
}

fn describe(broker: &Broker) -> Value {
    let text = broker.run(&["group", "describe", "g", "--json"]).printed();
    serde_json::from_str(&text).expect("JSON")
}

/// Waits until the group's members have so many partitions each.
#[track_caller]
fn shared(broker: &Broker, expect: &[u64]) -> Value {
    let started = Instant::now();
    loop {
        let ended = broker.run(&["group", "describe", "g", "--json"]);
        let told: Option<Value> = serde_json::from_slice(&ended.stdout).ok();
        let told = told.unwrap_or_default();
        let members = told["members"].as_array().cloned().unwrap_or_default();
        let mut counts: Vec<u64> =
            members.iter().filter_map(|member| member["partitions"].as_u64()).collect();
        counts.sort_unstable();
        if counts == expect && told["state"] == "Stable" {
            return told;
        }
        assert!(started.elapsed() < PATIENCE, "{expect:?} does not come: {told}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until these have printed so many lines together.
#[track_caller]
fn printed(members: &[&Running], count: usize) -> BTreeSet<u32> {
    let started = Instant::now();
    loop {
        let texts: Vec<String> = members.iter().map(|member| member.printed_so_far()).collect();
        let lines = texts.iter().flat_map(|text| text.lines());
        let numbers: Vec<u32> = lines.filter_map(|line| line.parse().ok()).collect();
        if numbers.len() >= count {
            return numbers.into_iter().collect();
        }
        assert!(started.elapsed() < PATIENCE, "{} of {count} lines", numbers.len());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_members_share_and_one_inherits() {
    for assignor in ["range", "cooperative-sticky"] {
        let broker = start();
        let first = member(&broker, &["--assignor", assignor]);
        shared(&broker, &[4]);
        let second = member(&broker, &["--assignor", assignor]);
        shared(&broker, &[2, 2]);
        write(&broker, 0..200);
        assert_eq!(printed(&[&first, &second], 200), (0..200).collect(), "{assignor}");
        assert!(!second.printed_so_far().is_empty(), "both read");
        // What was printed is committed within a second.
        thread::sleep(Duration::from_millis(1500));
        let gone = second.kill();
        assert!(gone.stderr.contains("2 members; this one reads t-"), "{}", gone.stderr);
        shared(&broker, &[4]);
        write(&broker, 200..300);
        let before = 200 - String::from_utf8_lossy(&gone.stdout).lines().count();
        printed(&[&first], before + 100);
        let ended = first.interrupt();
        assert_eq!(ended.code, Some(130), "{}", ended.stderr);
        let all = String::from_utf8(ended.stdout).expect("text");
        assert_eq!(all.lines().count(), before + 100, "nothing twice, and nothing left out");
        let told = describe(&broker);
        let state = (&told["state"], &told["lag"], told["members"].as_array().map(Vec::len));
        assert_eq!(state, (&"Empty".into(), &0.into(), Some(0)), "it left, and had committed all");
    }
}

#[test]
fn commits_are_exact_and_survive() {
    let mut broker = start();
    write(&broker, 0..50);
    let read = ["consume", "-g", "g", "t", "--from-beginning", "-q"];
    let mut seen = Vec::new();
    for round in 0..5 {
        let some = broker.run(&[&read[..], &SESSION, &["-c", "7"]].concat()).printed();
        assert_eq!(some.lines().count(), 7, "round {round}");
        seen.extend(some.lines().map(|line| line.parse::<u32>().expect("a number")));
        match round {
            1 => broker.kill(),
            3 => broker.stop(),
            _ => continue,
        }
        broker.start_again_with(&["--set", "group.initial.rebalance.delay.ms=0"]);
    }
    let rest = broker.run(&[&read[..], &SESSION, &["-e"]].concat()).printed();
    seen.extend(rest.lines().map(|line| line.parse::<u32>().expect("a number")));
    assert_eq!((seen.len(), seen.into_iter().collect()), (50, (0..50).collect::<BTreeSet<u32>>()));
    let nothing = broker.run(&[&read[..], &SESSION, &["-e"]].concat()).printed();
    assert_eq!(nothing, "");
    let nothing = broker.run(&["consume", "-g", "g", "nowhere"]).refused(1);
    assert!(nothing.contains("there is no topic nowhere"), "{nothing}");
    let several = broker.run(&["consume", "t", "u"]).refused(2);
    assert!(several.contains("name one with --group"), "{several}");
}

#[test]
fn members_go_on_after_a_restart_of_the_broker() {
    let mut broker = start();
    let members = [member(&broker, &[]), member(&broker, &[])];
    shared(&broker, &[2, 2]);
    let [first, second] = &members;
    for round in 0..3 {
        write(&broker, round * 100..round * 100 + 100);
        let count = (round as usize + 1) * 100;
        assert!(printed(&[first, second], count).len() >= count, "round {round}");
        if round < 2 {
            // So that what is printed is committed, and nothing comes twice.
            thread::sleep(Duration::from_millis(1500));
            broker.kill();
            broker.start_again_with(&["--set", "group.initial.rebalance.delay.ms=0"]);
        }
    }
    let mut seen = Vec::new();
    for member in members {
        let ended = member.interrupt();
        let text = String::from_utf8(ended.stdout).expect("text");
        seen.extend(text.lines().map(|line| line.parse::<u32>().expect("a number")));
    }
    assert_eq!(seen.len(), 300, "nothing twice");
    assert_eq!(seen.into_iter().collect::<BTreeSet<u32>>(), (0..300).collect());
}

#[test]
fn who_has_nothing_is_told_why() {
    let broker = start();
    broker.run(&["topic", "create", "small", "--partitions", "1"]).printed();
    let read = ["consume", "--group", "g", "small"];
    let first = broker.begin(&[&read[..], &SESSION].concat());
    shared(&broker, &[1]);
    let second = broker.begin(&[&read[..], &SESSION].concat());
    let told = shared(&broker, &[0, 1]);
    let reasons: Vec<&str> = told["members"]
        .as_array()
        .map(|members| members.iter().filter_map(|member| member["reason"].as_str()).collect())
        .unwrap_or_default();
    assert_eq!(reasons, ["2 members share 1 partition: more are not needed"]);
    let said = [first.interrupt().stderr, second.interrupt().stderr].concat();
    let expect = "2 members; this one waits: 2 members share 1 partition: more are not needed";
    assert!(said.contains(expect), "{said}");
    assert!(said.contains("ringmain-cli on 127.0.0.1 reads small-0"), "{said}");
}

#[test]
fn a_static_member_comes_back_to_its_partitions() {
    let broker = start();
    let first = member(&broker, &["--static", "a"]);
    let second = member(&broker, &["--static", "b"]);
    let before = shared(&broker, &[2, 2]);
    second.kill();
    let second = member(&broker, &["--static", "b"]);
    write(&broker, 0..40);
    assert_eq!(printed(&[&first, &second], 40), (0..40).collect());
    let after = shared(&broker, &[2, 2]);
    let of = |told: &Value, instance: &str| {
        let members = told["members"].as_array().cloned().unwrap_or_default();
        let member = members.iter().find(|member| member["instance"] == instance).cloned();
        let id = member.expect("a member")["member"].clone();
        let places = told["partitions"].as_array().cloned().unwrap_or_default();
        let own = places.iter().filter(|place| place["member"] == id);
        own.map(|place| place["partition"].clone()).collect::<Vec<Value>>()
    };
    for instance in ["a", "b"] {
        assert_eq!(of(&before, instance), of(&after, instance), "{instance}");
    }
    // Who comes under a name that is taken, takes it over.
    let third = member(&broker, &["--static", "b"]);
    let ended = second.end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("another member has come as --static b"), "{}", ended.stderr);
    first.interrupt();
    let said = third.interrupt().stderr;
    assert!(said.contains("generation "), "{said}");
}
