//! Transactions that hang: under way in a partition, and no coordinator knows of them. Readers of what is
//! committed wait for ever, until `ringmain txn find-hanging` shows them and `ringmain txn abort` ends them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use ringmain::model::error_code::ErrorCode;
use serde_json::Value;

use super::reading;
use super::session::{Level, Session, Trouble, transactional_batch};
use crate::broker::{Broker, Setup};
use crate::client::Client;
use crate::topics::{Topic, new_producer_id};

const PATIENCE: Duration = Duration::from_secs(10);
const LONG_MS: i32 = 600_000;

/// A command against the broker: how it ended, and what it said.
fn ringmain(broker: &Broker, args: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringmain"))
        .args(args)
        .args(["--bootstrap", &broker.address().to_string()])
        .output()
        .expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn hanging(broker: &Broker, more: &[&str]) -> Vec<Value> {
    let args = [&["txn", "find-hanging", "--json", "--older-than", "0"][..], more].concat();
    let (good, told, why) = ringmain(broker, &args);
    assert!(good, "{why}");
    told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The last stable offset of the topic's first partition and the end behind it.
fn stable(client: &mut Client, topic: &Topic) -> (i64, i64) {
    let shown = reading::fetch(client, topic, 0, 0, 0).expect("an answer").expect("a partition");
    (shown.last_stable_offset, shown.high_watermark)
}

/// One transaction hangs in partition 0 of the topic since this offset; find and end it.
fn find_and_abort(broker: &Broker, topic: &Topic, producer_id: i64, start: i64) {
    let mut client = Client::connect(broker.address()).expect("a connection");
    let (before, end) = stable(&mut client, topic);
    assert_eq!(before, start, "readers wait where it begins");
    let name = &topic.name;

    let found = hanging(broker, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["topic"], name.as_str());
    assert_eq!(found[0]["partition"], 0);
    assert_eq!(found[0]["producer_id"], producer_id);
    assert_eq!(found[0]["start_offset"], start);
    assert_eq!(hanging(broker, &["--topic", name, "--partition", "0"]).len(), 1);
    assert!(hanging(broker, &["--topic", name, "--partition", "1"]).is_empty());
    // A quarter of an hour must have passed, unless more is said.
    let (good, told, why) = ringmain(broker, &["txn", "find-hanging"]);
    assert!(good && told.is_empty() && why.contains("No transaction hangs"), "{told} {why}");
    let (_, told, _) = ringmain(broker, &["txn", "find-hanging", "--older-than", "0"]);
    assert!(told.starts_with("TOPIC") && told.contains(name), "{told}");

    let abort = |offset: i64| {
        let place = ["txn", "abort", "--topic", name, "--partition", "0", "--start-offset"];
        ringmain(broker, &[&place[..], &[offset.to_string().as_str()]].concat())
    };
    let (good, _, why) = abort(start + 1);
    assert!(!good && why.contains("no transaction is under way"), "{why}");
    assert_eq!(stable(&mut client, topic), (start, end), "nothing happened");
    let (good, told, why) = abort(start);
    assert!(good, "{why}");
    assert!(told.contains("aborted"), "{told}");

    assert!(hanging(broker, &[]).is_empty());
    assert_eq!(stable(&mut client, topic), (end + 1, end + 1), "behind its marker");
    let (good, _, why) = abort(start);
    assert!(!good && why.contains("no transaction is under way"), "{why}");
}

fn committed(broker: &Broker, topic: &Topic, partition: i32) -> Vec<u64> {
    let mut client = Client::connect(broker.address()).expect("a connection");
    let read = reading::settled(&mut client, topic, partition, PATIENCE).expect("a stable end");
    read.into_iter().map(|(_, value)| value).collect()
}

/// One transaction of one value, committed.
fn commit(session: &mut Session, topic: &Topic, partition: i32, value: u64) {
    session.add(&topic.name, &[partition]).expect("added");
    session.write(topic, partition, &[value]).expect("written");
    session.end(true).expect("committed");
}

#[test]
fn what_no_coordinator_was_told_of_hangs_until_it_is_aborted() {
    // As Kafka before it asked coordinators about the first batch of a transaction (KIP-890).
    let setup = super::setup("hanging").set("transaction.partition.verification.enable", "false");
    let broker = setup.start();
    let mut client = Client::connect(broker.address()).expect("a connection");
    let topic = Topic::create(&mut client, "orders", 2, &[]);
    let mut sound = Session::new(broker.address(), "sound", Level::Old, LONG_MS);
    sound.begin().expect("a producer");
    commit(&mut sound, &topic, 0, 1);

    let mut lost = Session::new(broker.address(), "lost", Level::Old, LONG_MS);
    lost.begin().expect("a producer");
    // It does not say that it writes there.
    let start = lost.write(&topic, 0, &[2, 3]).expect("taken");
    commit(&mut sound, &topic, 0, 4);
    commit(&mut sound, &topic, 1, 5);

    // One that is under way and known is not among those that hang.
    let mut open = Session::new(broker.address(), "open", Level::New, LONG_MS);
    open.begin().expect("a producer");
    open.write(&topic, 1, &[6]).expect("taken");

    let producer = lost.producer.0;
    find_and_abort(&broker, &topic, producer, start);
    open.end(true).expect("committed");
    assert_eq!(committed(&broker, &topic, 0), [1, 4]);
    assert_eq!(committed(&broker, &topic, 1), [5, 6]);
    // And the producer begins anew, as ever.
    lost.begin().expect("a producer");
    commit(&mut lost, &topic, 0, 7);
    assert_eq!(committed(&broker, &topic, 0), [1, 4, 7]);
    broker.stop();
    let broker = setup.start();
    assert!(hanging(&broker, &[]).is_empty(), "a restart changes nothing");
    assert_eq!(committed(&broker, &topic, 0), [1, 4, 7]);
    broker.stop();
}

/// A partition goes back to an older copy while the coordinators do not: the transaction is under way in it
/// for ever, because its marker is behind what is left.
#[test]
fn what_lost_its_marker_hangs_until_it_is_aborted() {
    let setup = super::setup("marker-lost");
    let broker = setup.start();
    let mut client = Client::connect(broker.address()).expect("a connection");
    let topic = Topic::create(&mut client, "orders", 2, &[]);
    let mut session = Session::new(broker.address(), "mover", Level::New, LONG_MS);
    session.begin().expect("a producer");
    commit(&mut session, &topic, 0, 1);
    let producer = session.producer.0;
    let start = session.write(&topic, 0, &[2]).expect("taken");
    broker.stop();
    let older = setup.scratch().join("older");
    copy(&setup.data(), &older).expect("a copy");

    let broker = setup.start();
    session.hang_up();
    session.end(true).expect("committed");
    assert_eq!(committed(&broker, &topic, 0), [1, 2]);
    broker.stop();
    restore_all_but_coordinators(&setup, &older).expect("the older copy");

    let broker = setup.start();
    find_and_abort(&broker, &topic, producer, start);
    assert_eq!(committed(&broker, &topic, 0), [1]);
    session.hang_up();
    session.begin().expect("a producer");
    commit(&mut session, &topic, 0, 3);
    assert_eq!(committed(&broker, &topic, 0), [1, 3]);
    broker.stop();
}

/// With the first batch of each transaction vouched for, nothing of this kind gets in.
#[test]
fn what_no_coordinator_was_told_of_is_refused() {
    let broker = super::setup("vouched").start();
    let mut client = Client::connect(broker.address()).expect("a connection");
    let topic = Topic::create(&mut client, "orders", 1, &[]);
    let mut lost = Session::new(broker.address(), "lost", Level::Old, LONG_MS);
    lost.begin().expect("a producer");
    let refused = lost.write(&topic, 0, &[1]).expect_err("nobody vouches for it");
    assert!(matches!(refused, Trouble::Said(ErrorCode::TRANSACTION_ABORTABLE)), "{refused:?}");
    // Nor under an id that has no transaction, be it that the client leaves it to the broker.
    let (_, id, epoch) = new_producer_id(&mut client).expect("an id");
    let bytes = transactional_batch((id, epoch), 0, &[2]);
    let (error, _) = topic.produce(&mut client, 0, &bytes).expect("an answer");
    assert_ne!(error, ErrorCode::NONE);
    assert_eq!(stable(&mut client, &topic), (0, 0));
    broker.stop();
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn restore_all_but_coordinators(setup: &Setup, older: &Path) -> io::Result<()> {
    let later = setup.scratch().join("later");
    fs::rename(setup.data(), &later)?;
    copy(older, &setup.data())?;
    for entry in fs::read_dir(&later)? {
        let name = entry?.file_name();
        if name.to_string_lossy().starts_with("__transaction_state-") {
            fs::remove_dir_all(setup.data().join(&name))?;
            copy(&later.join(&name), &setup.data().join(&name))?;
        }
    }
    Ok(())
}
