//! A mixed load, whose history is written as Jepsen's Kafka workload has it and judged: sends, polls, transactions
//! of both protocols, assigned and subscribed, while the broker is killed. `scripts/kill-loop histories` runs long
//! ones; with `RINGMAIN_HISTORY=FILE` the history is kept for other judges.

mod judge;
mod member;
mod operation;
#[cfg(feature = "planted-bugs")]
mod planted;
mod process;
mod samples;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use ringmain::base::prng::Prng;

use self::judge::{Anomaly, judge};
use self::operation::{Function, Kind, Operation, Recorder, Step, Value, edn};
use self::process::{Process, Role};
use crate::broker::{Broker, Setup};
use crate::client::Client;
use crate::topics::Topic;
use crate::transactions::reading;

const KEYS: i32 = 4;
/// Who reads everything at the end.
const LAST: u32 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

const ROLES: [Role; 9] = [
    Process::sender,
    Process::sender,
    Process::transactor_of_new,
    Process::transactor_of_new,
    Process::transactor_of_old,
    Process::transactor_of_old,
    Process::reader,
    Process::subscriber,
    Process::subscriber,
];

struct Outcome {
    history: Vec<Operation>,
    anomalies: Vec<Anomaly>,
}

fn setup(name: &str) -> Setup {
    crate::transactions::setup(name)
        .set("group.min.session.timeout.ms", "1000")
        .set("group.initial.rebalance.delay.ms", "50")
}

fn run(setup: &Setup, kills: u64, seed: u64) -> Outcome {
    let mut dice = Prng::new(seed);
    let recorder = Recorder::new();
    let mut broker = setup.start();
    let mut client = Client::connect(broker.address()).expect("a connection");
    let configs = [("segment.bytes", "1048576")];
    let topic = Topic::create(&mut client, "history", KEYS, &configs);
    let stopped = Arc::<AtomicBool>::default();
    let next_value = Arc::new(AtomicU64::new(1));
    let mut threads = Vec::new();
    for (number, role) in (0..).zip(ROLES) {
        let process = Process {
            number,
            bootstrap: broker.address(),
            topic: topic.clone(),
            recorder: recorder.clone(),
            dice: Prng::new(dice.next_u64()),
            stopped: stopped.clone(),
            next_value: next_value.clone(),
        };
        threads.push(process.start(role));
    }
    for _ in 0..kills {
        thread::sleep(Duration::from_millis(150 + dice.below(700)));
        broker.assert_sound();
        broker.kill();
        broker = setup.start();
    }
    thread::sleep(Duration::from_millis(500));
    stopped.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().expect("a process does not panic"));
    read_all(&broker, &topic, &recorder);
    broker.assert_sound();
    let history = recorder.history();
    let anomalies = judge(&history);
    let kept = std::env::var("RINGMAIN_HISTORY").ok();
    let path = kept.map_or_else(|| setup.scratch().join("history.edn"), Into::into);
    fs::write(&path, edn(&history)).expect("the history can be kept");
    println!("the history is {}", path.display());
    Outcome { history, anomalies }
}

/// The last polls: everything, from the beginning to the end.
fn read_all(broker: &Broker, topic: &Topic, recorder: &Recorder) {
    let mut client = Client::connect(broker.address()).expect("a connection");
    let keys = || Value::Keys((0..KEYS as u32).collect());
    recorder.push(LAST, Kind::Invoke, Function::Assign, keys(), true);
    recorder.push(LAST, Kind::Ok, Function::Assign, keys(), true);
    for partition in 0..KEYS {
        let asked = Value::Steps(vec![Step::Poll(BTreeMap::new())]);
        recorder.record(LAST, Kind::Invoke, Function::Poll, asked);
        let found = reading::settled(&mut client, topic, partition, PATIENCE);
        let found = found.unwrap_or_else(|stuck| panic!("{stuck}"));
        let found = Step::Poll(BTreeMap::from([(partition as u32, found)]));
        recorder.record(LAST, Kind::Ok, Function::Poll, Value::Steps(vec![found]));
    }
}

impl Outcome {
    fn count(&self, kind: Kind, function: Function) -> usize {
        let is = |operation: &&Operation| operation.kind == kind && operation.function == function;
        self.history.iter().filter(is).count()
    }

    fn report(&self) {
        println!("{} operations", self.history.len() / 2);
        for function in [Function::Send, Function::Poll, Function::Txn, Function::Subscribe] {
            let count = |kind| self.count(kind, function);
            println!(
                "  {function:?}: {} ok, {} failed, {} of which nobody knows",
                count(Kind::Ok),
                count(Kind::Fail),
                count(Kind::Info)
            );
        }
        self.anomalies.iter().take(20).for_each(|anomaly| println!("{anomaly:?}"));
        if self.anomalies.len() > 20 {
            println!("... {} anomalies together", self.anomalies.len());
        }
    }
}

#[test]
fn a_mixed_load_through_kills_has_no_anomaly() {
    let kills = crate::number("RINGMAIN_HISTORY_KILLS").unwrap_or(12);
    let began = Instant::now();
    let outcome = run(&setup("histories"), kills, crate::seed());
    outcome.report();
    println!("{kills} kills in {:.1} s", began.elapsed().as_secs_f64());
    assert!(outcome.anomalies.is_empty());
    for function in [Function::Send, Function::Poll, Function::Txn] {
        assert!(outcome.count(Kind::Ok, function) as u64 > kills * 4, "too little happened");
    }
    assert!(outcome.count(Kind::Ok, Function::Subscribe) > 1, "nobody subscribed");
}
