//! A broker that goes and comes back, while commands are at work.

use std::thread;
use std::time::Duration;

use crate::broker::Broker;

#[test]
fn what_was_written_is_there_after_a_stop_and_after_a_kill() {
    let mut broker = Broker::start();
    broker.run_with(&["produce", "-t", "t", "-k", ":"], b"a:1\nb:2\n").printed();
    broker.stop();
    broker.start_again();
    broker.run_with(&["produce", "-t", "t", "-k", ":"], b"c:3\n").printed();
    broker.kill();
    broker.start_again();
    let consume = ["consume", "-t", "t", "--from-beginning", "-e", "-q", "-f", "%k%v "];
    assert_eq!(broker.run(&consume).printed(), "a1 b2 c3 ");
}

#[test]
fn commands_outlast_a_broker_that_is_killed() {
    let mut broker = Broker::start();
    broker.run(&["topic", "create", "t"]).printed();
    let mut writer = broker.begin(&["produce", "-t", "t", "--linger-ms", "0"]);
    let reader = broker.begin(&["consume", "-t", "t", "-c", "4000", "--from-beginning", "-q"]);
    let write = |writer: &mut crate::command::Running, from: i32| {
        for number in from..from + 1000 {
            writer.write(format!("{number}\n").as_bytes());
        }
    };
    write(&mut writer, 0);
    // Both are connected by then.
    reader.speaks();
    for round in 1..=2 {
        broker.kill();
        write(&mut writer, 1000 * round);
        thread::sleep(Duration::from_millis(100));
        broker.start_again();
    }
    write(&mut writer, 3000);
    let expect: String = (0..4000).map(|number| format!("{number}\n")).collect();
    let seen = reader.end().printed();
    assert!(seen == expect, "every record once and in order, not {} bytes", seen.len());
    let ended = writer.end();
    let last = ended.stderr.lines().last().expect("a last word");
    assert!(last.starts_with("wrote 4,000 records, 14.5 KiB in "), "{}", ended.stderr);
    assert!(ended.stderr.contains("; trying again\n"), "{}", ended.stderr);
    ended.printed();
}

#[test]
fn a_broker_that_stays_away_is_told_with_what_was_written() {
    let mut broker = Broker::start();
    let mut writer = broker.begin(&["produce", "-t", "t", "--timeout", "1"]);
    writer.write(b"one\ntwo\n");
    let consume = ["consume", "-t", "t", "-c", "2", "--from-beginning", "-q"];
    // The topic is made by the first record.
    while broker.run(&consume).code != Some(0) {}
    broker.kill();
    writer.write(b"three\n");
    let ended = writer.end();
    let said: Vec<&str> = ended.stderr.lines().collect();
    let [first, .., last] = said[..] else { panic!("{said:?}") };
    assert!(first.ends_with("; trying again"), "{said:?}");
    assert!(last.contains("cannot be reached: nothing listens there"), "{said:?}");
    assert!(last.ends_with("; 2 records written before, 1 not known to be"), "{said:?}");
    assert_eq!(ended.code, Some(1));
}
